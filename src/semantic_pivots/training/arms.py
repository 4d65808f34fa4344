"""The training stage: one base continued on each selection at equal tokens, so that the documents alone differ."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from semantic_pivots import tables
from semantic_pivots.engines import Task, run_shards
from semantic_pivots.files import read_table, write_json
from semantic_pivots.models.device import device_processes, take_device
from semantic_pivots.run import Inputs, Work
from semantic_pivots.selection.selections import HELD_OUT
from semantic_pivots.training.stored_tokens import StoredTokens
from semantic_pivots.training.train_stage import TrainConfig

_READ_DOCUMENTS, _READ_TOKENS = 8, 128
_CARD = """---
base_model: {base}
library_name: transformers
tags: [continued-pre-training, semantic-pivots]
---
# {arm}, seed {seed}

`{base}` continued on {tokens:,} tokens of the selection `{arm}` of the study's corpus, in sequences of {length} tokens,
{batch} a step, peak learning rate {rate}, schedule {schedule}, {dtype}, {weights},
documents {boundaries}.{loss}
Made by semantic-pivots to compare selections at equal tokens; it is not a model for use.
"""


def train_stage(config: TrainConfig, inputs: Inputs, work: Work) -> dict[str, pa.Table]:
    """Train every arm with every seed (table `training_log`, a folder ARM-seedN in HF format for each run, base.json).

    Raises:
        InputError: the base cannot be loaded or trained, or a selection holds no text.
    """
    selection = inputs.table("selection")
    arms = [arm for arm in dict.fromkeys(selection["selection"].to_pylist()) if arm != HELD_OUT]
    rows = selection.filter(pc.not_equal(selection["selection"], HELD_OUT))  # type: ignore[attr-defined]
    tokens = _stored_tokens(config, inputs, rows, work)
    common = (config, tokens, _held_out_texts(inputs, selection), work.folder, work.out)
    names = {f"{arm}-seed{n}": (arm, n) for arm in arms for n in range(config.seed, config.seed + config.seeds)}
    tasks: list[Task] = [
        (name, _train_arm, (rows.filter(pc.equal(rows["selection"], arm)), arm, seed))  # type: ignore[attr-defined]
        for name, (arm, seed) in names.items()
    ]
    if device_processes(config.processes, "train") > 1:
        logs = list(run_shards(tasks, work, config.processes, "train", constants=common))
    else:
        with work.progress(len(tasks) * config.tokens, "tokens", "train") as progress:
            logs = [
                work.part(f"train-{name}", lambda run=run, data=data: run(*data, *common, progress.advance))
                for name, run, data in tasks
            ]
    write_json(work.out / "base.json", {"model": config.model})
    speeds = [json.loads((work.folder / f"{name}.speed").read_text("utf-8")) for name in names]
    work.note("tokens_per_second", dict(zip(names, speeds, strict=True)), volatile=True)
    return {"training_log": pa.concat_tables(logs)}


def _stored_tokens(config: TrainConfig, inputs: Inputs, selection: pa.Table, work: Work) -> StoredTokens:
    """The tokens of all selected documents; the study's token shards are used if the base's tokenizer made them."""
    from semantic_pivots.models.tokenizer_files import load_tokenizer
    from semantic_pivots.training.pack import check_end
    from semantic_pivots.training.stored_tokens import same_tokenizer, store_tokens

    def paths(table: str, stage: str) -> dict[str, Path]:
        return {row["shard"]: inputs.folder(stage) / row["path"] for row in inputs.table(table).to_pylist()}

    tokenizer, tokens = load_tokenizer(config.model, config.cache), None
    check_end(tokenizer, config.document_boundaries, work.warn)
    if inputs.has("token_shards") and same_tokenizer(tokenizer, inputs.folder("tokens") / "tokenizer.json"):
        tokens = paths("token_shards", "tokens")
    return store_tokens(selection, paths("shards", "corpus"), tokenizer, work.folder, tokens)


def _train_arm(
    documents: pa.Table,
    arm: str,
    seed: int,
    config: TrainConfig,
    stored_tokens: StoredTokens,
    held_out: dict[str, list[str]],
    folder: Path,
    out: Path,
    advance: Callable[[float], None] = lambda tokens: None,
) -> pa.Table:
    """Train one run, on an accelerator of its own where there are several; its rows of the table `training_log`."""
    from semantic_pivots.models.load import load
    from semantic_pivots.scoring.bits_per_byte import bits_per_byte
    from semantic_pivots.training.adapters import low_rank_adapters
    from semantic_pivots.training.loop import train
    from semantic_pivots.training.pack import check_end, pack

    take_device(folder)
    base = load(config.model, dtype="float32", cache=config.cache)
    sequences = pack(documents, stored_tokens, config.tokens, config.sequence_tokens, seed)
    name = f"{arm}-seed{seed}"

    def keep(model: Any, tokens: int) -> None:
        checkpoint = replace(base, model=model)
        export(checkpoint, config, arm, seed, float("nan"), out / f"{name}-at-{tokens}", tokens)

    def measure(model: Any) -> dict[str, float]:
        return bits_per_byte(model, base.tokenizer, held_out, _READ_TOKENS)

    with low_rank_adapters(base.model, config.lora_rank, seed):
        end = check_end(base.tokenizer, config.document_boundaries, lambda text: None)  # the stage has told it
        writer = None if config.lora_rank else keep
        options = (sequences, config, seed, folder / f"{name}.pt", advance, end, writer)
        run = train(base.model, *options, measure if held_out else None)
    export(base, config, arm, seed, run.rows[-1]["loss"], out / name, int(run.rows[-1]["tokens"]))
    write_json(folder / f"{name}.speed", run.rows[-1]["tokens"] / max(run.seconds, 1e-9))
    (folder / f"{name}.pt").unlink(missing_ok=True)
    return tables.from_rows("training_log", [{"arm": arm, "seed": seed, **row} for row in run.rows])


def _held_out_texts(inputs: Inputs, selection: pa.Table) -> dict[str, list[str]]:
    """The first few held-out documents of each language, for the log; the stage `compare` reads all of them."""

    texts: dict[str, list[str]] = {}
    paths = {row["shard"]: inputs.folder("corpus") / row["path"] for row in inputs.table("shards").to_pylist()}
    for row in selection.filter(pc.equal(selection["selection"], HELD_OUT)).to_pylist():  # type: ignore[attr-defined]
        if len(texts.setdefault(row["language"], [])) < _READ_DOCUMENTS:
            texts[row["language"]].append(read_table(paths[row["shard"]], columns=["text"])["text"][row["row"]].as_py())
    return texts


def export(base: Any, config: TrainConfig, arm: str, seed: int, loss: float, folder: Path, tokens: int) -> None:
    """Write a trained model as a Hugging Face folder that is either complete or absent.

    The folder is written under a temporary name beside `folder` and then renamed.

    Args:
        base: the trained model and its tokenizer.
        config: settings of the training, which the model card states.
        arm: name of the selection that the model was trained on.
        seed: seed of the run.
        loss: last training loss in nats per token; NaN for a checkpoint of a run that continues.
        folder: folder to write.
        tokens: number of tokens that the model has been trained on.
    """
    from semantic_pivots.models.transformers_library import quiet

    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    with quiet():
        base.model.save_pretrained(temporary, safe_serialization=True)
    base.tokenizer.save_pretrained(temporary)
    card = _CARD.format(
        base=config.model,
        arm=arm,
        seed=seed,
        tokens=tokens,
        length=config.sequence_tokens,
        batch=config.batch_sequences,
        rate=config.learning_rate,
        schedule=config.schedule,
        dtype=config.dtype,
        loss="" if math.isnan(loss) else f" Last training loss {loss:.4f} nats a token.",
        boundaries="kept apart" if config.document_boundaries else "running on",
        weights=f"adapters of rank {config.lora_rank}, merged" if config.lora_rank else "all weights",
    )
    (temporary / "README.md").write_text(card, "utf-8")
    settings = json.loads((temporary / "config.json").read_text("utf-8"))
    settings["_name_or_path"] = config.model  # the cache's path would make the folder differ between machines
    write_json(temporary / "config.json", settings)
    shutil.rmtree(folder, ignore_errors=True)
    os.rename(temporary, folder)
