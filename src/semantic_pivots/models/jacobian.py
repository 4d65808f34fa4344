"""The Jacobian lens: a residual as the rest of the model would carry it to its end, on average (2607.15495).

Of each layer l, `J[l]` is the mean over prompts, and over their source positions s, of the sum over the target
positions t that s can reach (itself and the later ones; in a masked model all) of d h_last[t] / d h_l[s]. A readout is
the model's own final norm and head on J[l] h. The first 16 positions are neither sources nor targets: there attention
rests on a few tokens whose residuals are unlike any other. The sum over targets makes one vector-Jacobian product serve
all positions of all layers, so a fit costs one backward pass for each component of the width and batch of prompts.

Chosen against the tuned lens where a readout must not be fitted to the answer: nothing here sees the model's output.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from semantic_pivots.errors import InputError
from semantic_pivots.files import Record, complete_file, write_text
from semantic_pivots.models.lens import Lens, LensError, hooks
from semantic_pivots.models.network import FORWARD_ERRORS, check_context, padded_ids
from semantic_pivots.models.readouts import JACOBIAN, Readout, held_out_divergence
from semantic_pivots.statistics import seed_of

LEADING_POSITIONS = 16
"""first positions of a prompt, which are neither sources nor targets"""
_FILES = ("jacobian_lens.pt", "lens.json")


class Jacobian(Readout):
    """A linear map per layer before the head: J h.

    Attributes:
        maps: by layer, (width, width) float32; a layer without one is read as by the logit lens.
        prompts: number of prompts behind the means.
    """

    def __init__(self, lens: Lens, maps: dict[int, torch.Tensor], prompts: int, name: str = "jacobian"):
        shape = (lens.network.width, lens.network.width)
        for layer, map_ in maps.items():
            if not 0 <= layer < lens.layers or tuple(map_.shape) != shape:
                raise InputError(
                    f"Jacobian lens {name}: layer {layer} has a map of shape {tuple(map_.shape)}; expected layers "
                    f"below {lens.layers} and shape {shape} for this model"
                )
        super().__init__(lens, name)
        self.maps, self.prompts = maps, prompts

    def final(self, layer: int, rows: torch.Tensor) -> torch.Tensor:
        if layer in self.maps:
            rows = (rows.float() @ self.maps[layer].to(rows.device).T).to(rows.dtype)
        return self.lens.final(rows)

    def save(self, folder: Path, facts: Record) -> None:
        """Write jacobian_lens.pt (J, n_prompts, source_layers, d_model) and lens.json (the facts) into a folder."""
        contents = {
            "J": {layer: map_.contiguous() for layer, map_ in sorted(self.maps.items())},
            "n_prompts": self.prompts,
            "source_layers": sorted(self.maps),
            "d_model": self.lens.network.width,
        }
        with complete_file(folder / _FILES[0]) as path:
            torch.save(contents, path)
        write_text(folder / _FILES[1], json.dumps(facts, indent=1, ensure_ascii=False))


def load_jacobian(lens: Lens, path: Path) -> Jacobian:
    """A Jacobian lens from its file, or from a folder that holds one file *.pt, as Neuronpedia's artefacts do.

    Raises:
        InputError: no such file, a file of another layout, or a lens of another model.
    """
    files = [path] if path.is_file() else sorted(path.glob("*.pt"))
    if len(files) != 1:
        raise InputError(
            f"Jacobian lens {path}: {len(files)} files *.pt; expected one (pivots lens fit --kind jacobian writes it)"
        )
    file = torch.load(files[0], map_location="cpu", weights_only=True)
    if not isinstance(file, dict) or not isinstance(file.get("J"), dict) or file.get("d_model") != lens.network.width:
        wide = file.get("d_model") if isinstance(file, dict) else None
        raise InputError(
            f"Jacobian lens {files[0]}: expected J by layer and d_model {lens.network.width}, the width of this model; "
            f"d_model is {wide}"
        )
    maps = {int(layer): map_.float() for layer, map_ in file["J"].items()}
    return Jacobian(lens, maps, int(file.get("n_prompts", 0)), JACOBIAN + path.name)


def identity_part(map_: torch.Tensor) -> float:
    """The factor c for which c times the identity is nearest to a (width, width) map; 1 for the logit lens."""
    return float(map_.diagonal().mean())


def random_turn(map_: torch.Tensor, seed: int) -> torch.Tensor:
    """The null of a map: its identity part plus the rest, whose outputs are rotated by a random matrix.

    The rest keeps its singular values and its input directions; a uniformly drawn rotation changes its output
    directions.
    """
    generator = torch.Generator().manual_seed(seed)
    rotation, triangle = torch.linalg.qr(torch.randn(map_.shape, generator=generator, dtype=torch.float64))
    rotation = (rotation * triangle.diagonal().sign()).to(map_.dtype)
    identity = identity_part(map_) * torch.eye(len(map_), dtype=map_.dtype)
    return identity + rotation @ (map_ - identity)


def fit_jacobian(
    lens: Lens,
    prompts: Sequence[Sequence[int]],
    batch: int = 8,
    leading: int = LEADING_POSITIONS,
    report: Callable[[int], None] = lambda count: None,
    partial: Path | None = None,
) -> Jacobian:
    """Fit a Jacobian lens; the model's parameters need no gradients.

    Args:
        lens: the lens of the model.
        prompts: token ids of each prompt, each longer than `leading`. An encoder-decoder reads them in its encoder; its
            only position is the decoder's start, and no position is skipped.
        batch: number of prompts in one pass.
        leading: number of first positions that are neither sources nor targets.
        report: called with the number of finished prompts.
        partial: a file for the sums of the finished prompts; an interrupted fit of the same prompts continues from it.

    Raises:
        InputError: a prompt is too short, or longer than the model's context.
        LensError: no gradient passes through a block, or the model has several parallel residual streams.
    """
    short = min((len(ids) for ids in prompts), default=0)
    leading = 0 if lens.kind == "encoder-decoder" else leading
    if not prompts or short <= leading:
        raise InputError(f"{len(prompts)} prompts, the shortest of {short} tokens; expected more than {leading} tokens")
    check_context(lens.network.model, max(len(ids) for ids in prompts), "a prompt", "lower --length")
    width, sources = lens.network.width, range(lens.layers - 1)
    cache_tokens = leading if _resumes(lens, list(prompts[0]), leading) else 0
    key = str(seed_of(lens.network.name, lens.network.dtype, width, leading, [list(ids) for ids in prompts]))
    count, total = _partial_sums(partial, key) or (0, torch.zeros(len(sources), width, width))
    report(count)
    for begin in range(count, len(prompts), batch):
        rows = [list(ids) for ids in prompts[begin : begin + batch]]
        total += _sums(lens, rows, leading, cache_tokens)
        if partial is not None:
            state = {"key": key, "done": begin + len(rows), "sum": total}
            with complete_file(partial) as path:
                torch.save(state, path)
        report(begin + len(rows))
    return Jacobian(lens, {layer: total[layer] / len(prompts) for layer in sources}, len(prompts))


def _partial_sums(partial: Path | None, key: str) -> tuple[int, torch.Tensor] | None:
    """Prompts done and the sum of their maps, where a file keeps those of the same fit."""
    if partial is None or not partial.is_file():
        return None
    state = torch.load(partial, weights_only=True)
    return (state["done"], state["sum"]) if state["key"] == key else None


def _resumes(lens: Lens, prompt: list[int], leading: int) -> bool:
    """Whether a model gives the same residuals from a cache of the first tokens as from the whole prompt.

    If so, these tokens need no gradients: no causal path from a source to a later target passes through tokens before
    the source. Masked models attend in both directions, and some families have states that a cache cannot pass on.
    """
    if lens.kind != "causal" or not leading:
        return False
    ids, lengths = (torch.tensor([value], device=lens.network.device) for value in (prompt, len(prompt)))
    try:
        continuation = _streams(lens, ids, lengths, leading)[-1]
    except FORWARD_ERRORS:
        return False
    plain = _streams(lens, ids, lengths, 0)[-1][:, leading:]
    tolerance = 1e-3 if lens.network.dtype == torch.float32 else 0.1
    return bool((continuation - plain).abs().max() <= tolerance * plain.abs().max())


def _sums(lens: Lens, rows: list[list[int]], leading: int, cache_tokens: int) -> torch.Tensor:
    """(layers - 1, width, width) float32: the Jacobians of some prompts, each a mean over its sources, summed."""
    device = lens.network.device
    lengths = torch.tensor([len(row) for row in rows], device=device)
    streams = _streams(lens, padded_ids(rows, device), lengths, cache_tokens)
    output = streams[-1]
    places = cache_tokens + torch.arange(output.shape[1], device=device)
    is_source = (places >= leading) & (places < lengths[:, None])
    weights = (is_source / is_source.sum(1, keepdim=True)).float()
    sums = torch.empty(len(streams) - 1, output.shape[2], output.shape[2])
    for component in range(output.shape[2]):
        cotangent = torch.zeros_like(output)
        cotangent[..., component] = is_source.to(output.dtype)
        parts = torch.autograd.grad(output, streams[:-1], cotangent, retain_graph=True)
        sums[:, component] = torch.stack([torch.einsum("rt,rtw->w", weights, part.float()) for part in parts]).cpu()
    return sums


def _streams(lens: Lens, ids: torch.Tensor, lengths: torch.Tensor, cache_tokens: int) -> list[torch.Tensor]:
    """(rows, tokens, width) residual stream after every block, with the graph that leads from each to the last.

    Args:
        lens: the model.
        ids: (rows, tokens) int64, padded on the right.
        lengths: (rows,) tokens of each row.
        cache_tokens: first tokens that are only read into a cache; the streams are those of the others.
    """
    streams: list[torch.Tensor] = []

    def keep(module: object, arguments: object, output: Any) -> object:
        stream = output[0] if isinstance(output, (tuple, list)) else output
        if not streams:  # the graph begins here: nothing before the first block needs a gradient
            stream = stream.detach().requires_grad_(True)
        streams.append(stream)
        # the model goes on with a copy, which it may change in place
        leaf = stream.clone()
        return (leaf, *output[1:]) if isinstance(output, (tuple, list)) else leaf

    cache = None
    if cache_tokens:
        cache = lens.network.new_cache()
        with torch.no_grad():
            lens.network.hidden_states(ids[:, :cache_tokens], cache)
    mask = (torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]).long()
    with torch.enable_grad(), hooks([block.register_forward_hook(keep) for block in lens.blocks]):
        if cache is not None:
            lens.network.hidden_states(ids[:, cache_tokens:], cache)
        else:
            lens.run(ids, lengths - 1, mask)
    if len(streams) != lens.layers or not streams[-1].requires_grad:
        raise LensError(f"{lens.network.name}: its {lens.layers} blocks hand on no gradient to the last")
    if streams[-1].ndim != 3:
        raise LensError(
            f"{lens.network.name}: its residual stream has shape {tuple(streams[-1].shape)}; a Jacobian "
            "lens needs one stream, (rows, tokens, width)"
        )
    return streams


def nearness(jacobian: Jacobian, samples: torch.Tensor, seed: int) -> list[dict[str, float]]:
    """Divergence of each layer's readout from the last layer's distribution, beside its controls.

    Args:
        jacobian: the lens.
        samples: (layers, rows, width) residuals that the lens was not fitted to.
        seed: seed of the null's rotations.

    Returns:
        For each layer, the divergence in nats of the last layer's distribution from that of four readouts: the logit
        lens, the map's identity part, the map (`kept`), and its null (`random_turn`). Also the identity part's share
        of the map's sum of squares.
    """
    lens = jacobian.lens
    eye = torch.eye(lens.network.width)
    facts = []
    for layer, map_ in sorted(jacobian.maps.items()):
        identity = identity_part(map_) * eye
        maps = {
            "logit": eye,
            "identity": identity,
            "kept": map_,
            "null": random_turn(map_, seed_of(seed, "null", layer) % 2**31),
        }
        read = {
            name: held_out_divergence(lens, matrix - eye, torch.zeros(len(eye)), samples[layer], samples[-1])
            for name, matrix in maps.items()
        }
        share = float(identity.square().sum() / map_.square().sum())
        facts.append({"layer": float(layer), **read, "identity_share": share})
    return facts
