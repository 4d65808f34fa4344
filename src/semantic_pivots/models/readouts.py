"""Readouts of a residual as a distribution over tokens: logit lens, tuned lens, Jacobian lens, identity prompt.

Every readout takes the rows of one layer that a `Lens` gathered and gives logits; the last layer reads the same under
all of them. A tuned lens (Belrose et al. 2303.08112) maps a layer's residual to the last layer's by an affine map of
its own; a patchscope (Ghandeharioun et al. 2401.06102) puts the residual into a prompt that asks for repetition and
lets the rest of the model say what it finds there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

from semantic_pivots.errors import InputError
from semantic_pivots.files import Record, complete_file
from semantic_pivots.models.distribution import check_numbers
from semantic_pivots.models.interventions import Patch, intervention
from semantic_pivots.models.lens import Lens
from semantic_pivots.models.network import check_context, padded_ids
from semantic_pivots.models.protocols import Tokenizer
from semantic_pivots.models.tokens import prompt_ids

LOGIT, PATCHSCOPE, TUNED, JACOBIAN = "logit", "patchscope", "tuned:", "jacobian:"
_IDENTITY = "cat -> cat\n1135 -> 1135\nhello -> hello\n?"
_RIDGE = 1e-2
_ROWS, _TEXTS = 64, 16
"""Residuals in one step of a fit; texts in one forward pass."""
_FILES = ("translators.safetensors", "lens.json")


class Readout:
    """A readout: it maps a residual to a vector that the model's head turns into logits."""

    def __init__(self, lens: Lens, name: str):
        self.lens, self.name = lens, name

    def final(self, layer: int, rows: torch.Tensor) -> torch.Tensor:
        """Translate residuals after a layer, (rows, width), into inputs of the model's head, (rows, width).

        Rows of all layers then go through the head in one product; its weights are most of the work.
        """
        raise NotImplementedError

    def read(self, layer: int, rows: torch.Tensor) -> torch.Tensor:
        """(rows, vocabulary) logits of the (rows, width) residuals after a layer."""
        return self.lens.network.logits(self.final(layer, rows))


class Logit(Readout):
    """Logit lens: the model's own final norm and head applied to the residual stream."""

    def __init__(self, lens: Lens):
        super().__init__(lens, LOGIT)

    def final(self, layer: int, rows: torch.Tensor) -> torch.Tensor:
        return self.lens.final(rows)


class TunedLens(Readout):
    """An affine map per layer before the head: h + h Wᵀ + b.

    Attributes:
        weights: (layers - 1, width, width) float32.
        biases: (layers - 1, width) float32.
    """

    def __init__(self, lens: Lens, weights: torch.Tensor, biases: torch.Tensor, name: str = "tuned"):
        shape = (lens.layers - 1, lens.network.width, lens.network.width)
        if tuple(weights.shape) != shape or tuple(biases.shape) != shape[:2]:
            raise InputError(
                f"tuned lens {name}: maps of shape {tuple(weights.shape)}, expected {shape} for this model "
                "(layers but the last, width, width)"
            )
        super().__init__(lens, name)
        self.weights, self.biases = weights, biases

    def final(self, layer: int, rows: torch.Tensor) -> torch.Tensor:
        if layer < len(self.weights):
            weight, bias = (part[layer].to(rows.device) for part in (self.weights, self.biases))
            rows = (rows.float() + rows.float() @ weight.T + bias).to(rows.dtype)
        return self.lens.final(rows)

    def save(self, folder: Path, facts: Record) -> None:
        """Write translators.safetensors and lens.json (the facts) into a folder, each whole or absent."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        tensors = {"weights": self.weights.contiguous(), "biases": self.biases.contiguous()}
        for name, write in (
            (_FILES[0], lambda path: save_file(tensors, path)),
            (_FILES[1], lambda path: path.write_text(json.dumps(facts, indent=1, ensure_ascii=False), "utf-8")),
        ):
            with complete_file(folder / name) as temporary:
                write(temporary)


class Patchscope(Readout):
    """Patchscope: the residual replaces that of the last token of an identity prompt at the same layer."""

    def __init__(self, lens: Lens, tokenizer: Tokenizer):
        super().__init__(lens, PATCHSCOPE)
        (self.prompt,) = prompt_ids(tokenizer, [_IDENTITY])

    def final(self, layer: int, rows: torch.Tensor) -> torch.Tensor:
        if layer == self.lens.layers - 1:
            return self.lens.final(rows)
        ids = torch.tensor([self.prompt] * len(rows), device=rows.device)
        place = len(self.prompt) - 1
        values = rows[None].expand(layer + 1, *rows.shape)
        with intervention(self.lens, Patch([place] * len(rows), values, [layer])):
            states = self.lens.network.hidden_states(ids)
        return states[:, place]


def readouts(lens: Lens, tokenizer: Tokenizer, names: Sequence[str]) -> list[Readout]:
    """The readouts that are named `logit`, `patchscope`, `tuned:FOLDER` or `jacobian:FOLDER`.

    Raises:
        InputError: a name is unknown, or a folder has no lens of that kind for this model.
    """
    from semantic_pivots.models.jacobian import load_jacobian

    lenses: list[Readout] = []
    for name in names:
        if name == LOGIT:
            lenses.append(Logit(lens))
        elif name == PATCHSCOPE:
            lenses.append(Patchscope(lens, tokenizer))
        elif name.startswith(TUNED):
            lenses.append(load_tuned(lens, Path(name.removeprefix(TUNED))))
        elif name.startswith(JACOBIAN):
            lenses.append(load_jacobian(lens, Path(name.removeprefix(JACOBIAN))))
        else:
            raise InputError(f"unknown lens {name!r}; expected logit, patchscope, tuned:FOLDER or jacobian:FOLDER")
    return lenses


def load_tuned(lens: Lens, folder: Path) -> TunedLens:
    """A tuned lens of this project, or one of the tuned-lens package (config.json and params.pt).

    The first map of that package is for the embedding, so its map k + 1 is for the output of block k.

    Raises:
        InputError: the folder has no such lens, or one for another model.
    """
    if (folder / _FILES[0]).is_file():
        from safetensors.torch import load_file

        tensors = load_file(folder / _FILES[0])
        return TunedLens(lens, tensors["weights"], tensors["biases"], TUNED + folder.name)
    if (folder / "params.pt").is_file():
        tensors = torch.load(folder / "params.pt", map_location="cpu", weights_only=True)
        count = 1 + max((int(key.split(".")[0]) for key in tensors if key.split(".")[0].isdigit()), default=-1)
        if count < 1 or f"{count - 1}.weight" not in tensors:
            raise InputError(f"tuned lens {folder / 'params.pt'}: expected keys such as 0.weight and 0.bias")
        rows = range(1, count)
        weights = torch.stack([tensors[f"{k}.weight"].float() for k in rows]) if count > 1 else torch.zeros(0, 0, 0)
        biases = torch.stack([tensors[f"{k}.bias"].float() for k in rows]) if count > 1 else torch.zeros(0, 0)
        return TunedLens(lens, weights, biases, TUNED + folder.name)
    raise InputError(
        f"tuned lens {folder}: expected {_FILES[0]} (pivots lens fit) or params.pt (the tuned-lens package)"
    )


def ridge(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """(width + 1, width) affine map of x to y, both (rows, width), by ridge regression; the last row is the bias."""
    with_one = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], 1)
    gram = with_one.T @ with_one
    penalty = _RIDGE * float(gram.diagonal().mean()) * torch.eye(len(gram), dtype=x.dtype)
    return torch.linalg.solve(gram + penalty, with_one.T @ y)


def fit_tuned(
    lens: Lens,
    samples: torch.Tensor,
    steps: int = 100,
    rate: float = 1e-3,
    seed: int = 0,
    report: Callable[[dict[str, float]], None] = lambda fact: None,
) -> tuple[TunedLens, list[dict[str, float]]]:
    """Fit a tuned lens to residuals.

    Each layer has three candidate maps: the identity (the logit lens), a ridge regression to the last layer, and the
    result of gradient descent (Adam) on KL(last layer || lens), which starts from the better of the other two. The map
    with the smallest KL on the last quarter of the rows is kept. No map is fitted to these rows, and on them a tuned
    lens is never worse than the logit lens.

    Args:
        lens: the lens of the model; the model's head is not changed.
        samples: (layers, rows, width) residuals at random positions of a corpus.
        steps: number of steps of the descent; 0: no descent.
        rate: learning rate.
        seed: seed of the order of the rows.
        report: called with the facts of each layer when it has been fitted.

    Returns:
        The lens, and for each layer the held-out KL in nats of the logit lens, the ridge map and the kept map.
    """
    rows = samples.shape[1]
    test = slice(rows - rows // 4, rows)
    train = samples[:, : rows - rows // 4]
    output = samples[-1]
    generator = torch.Generator().manual_seed(seed)
    maps, facts = [], []
    for layer in range(lens.layers - 1):
        x, y = train[layer].cpu().double(), train[-1].cpu().double()
        solution = ridge(x, y).float()
        width = x.shape[1]
        identity = torch.zeros(width, width), torch.zeros(width)
        ridge_map = (solution[:-1].T - torch.eye(width)).contiguous(), solution[-1].clone()
        candidates = {"logit": identity, "ridge": ridge_map}
        losses = {
            name: held_out_divergence(lens, *pair, samples[layer, test], output[test])
            for name, pair in candidates.items()
        }
        if steps:
            start = candidates[min(losses, key=lambda name: losses[name])]
            candidates["descent"] = _descend(lens, *start, train[layer], train[-1], steps, rate, generator)
            losses["descent"] = held_out_divergence(lens, *candidates["descent"], samples[layer, test], output[test])
        best = min(losses, key=lambda name: losses[name])
        maps.append(candidates[best])
        facts.append({"layer": float(layer), "logit": losses["logit"], "ridge": losses["ridge"], "kept": losses[best]})
        report(facts[-1])
    weights, biases = (torch.stack([pair[k] for pair in maps]) for k in (0, 1))
    return TunedLens(lens, weights, biases), facts


def _descend(
    lens: Lens, weight: torch.Tensor, bias: torch.Tensor, x: torch.Tensor, y: torch.Tensor,
    steps: int, rate: float, generator: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    weight, bias = (part.clone().to(x.device).requires_grad_(True) for part in (weight, bias))
    optimiser = torch.optim.Adam([weight, bias], lr=rate)
    for _ in range(steps):
        batch_rows = torch.randint(len(x), (min(_ROWS, len(x)),), generator=generator)
        optimiser.zero_grad()
        loss = _divergence(lens, weight, bias, x[batch_rows], y[batch_rows])
        loss.backward()
        optimiser.step()
    return weight.detach().cpu(), bias.detach().cpu()


def _divergence(lens: Lens, weight: torch.Tensor, bias: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        target = torch.log_softmax(lens.decode(y).float(), -1)
    output = (x.float() + x.float() @ weight.T + bias).to(x.dtype)
    read = torch.log_softmax(lens.decode(output).float(), -1)
    return torch.nn.functional.kl_div(read, target, log_target=True, reduction="batchmean")


@torch.no_grad()
def held_out_divergence(
    lens: Lens, weight: torch.Tensor, bias: torch.Tensor, x: torch.Tensor, y: torch.Tensor
) -> float:
    """Mean KL in nats of the head's distribution for (rows, width) y from its distribution for x + x Wᵀ + b."""
    weight, bias = weight.to(x.device), bias.to(x.device)
    total = 0.0
    for begin in range(0, len(x), _ROWS):
        part = slice(begin, begin + _ROWS)
        total += float(_divergence(lens, weight, bias, x[part], y[part])) * len(x[part])
    return total / max(len(x), 1)


@torch.no_grad()
def residual_sample(
    lens: Lens, tokenizer: Tokenizer, texts: Sequence[str], rows: int, length: int = 128, seed: int = 0
) -> torch.Tensor:
    """(layers, rows, width) residuals at one random position of each text; texts of fewer than two tokens are skipped.

    Raises:
        InputError: there are fewer texts than `rows`, or `length` is larger than the model's context.
    """
    check_context(lens.network.model, length, "a text", "lower --length")
    generator = torch.Generator().manual_seed(seed)

    def prefixes() -> Iterator[list[int]]:
        for text in texts:
            ids = prompt_ids(tokenizer, [text[: 8 * length]])[0][:length]
            if len(ids) > 1:
                yield ids[: int(torch.randint(2, len(ids) + 1, (1,), generator=generator))]

    prompts = [ids for _, ids in zip(range(rows), prefixes(), strict=False)]
    if len(prompts) < rows:
        raise InputError(f"{rows:,} residuals asked for, {len(prompts):,} texts hold two tokens; give more documents")
    # rows of like length share a batch; the order of the rows is kept
    order = sorted(range(rows), key=lambda k: len(prompts[k]))
    states: list[torch.Tensor] = [torch.empty(0)] * rows
    for begin in range(0, rows, _TEXTS):
        block = order[begin : begin + _TEXTS]
        places = torch.tensor([len(prompts[k]) - 1 for k in block], device=lens.network.device)
        read = lens.residuals(padded_ids([prompts[k] for k in block], lens.network.device), places)
        for column, k in enumerate(block):
            states[k] = read[:, column]
    samples = torch.stack(states, 1)
    check_numbers(samples.isfinite().all(-1).all(0), "residual", lens.network.dtype)
    return samples
