"""Continue one model on any documents: HF folder in, HF folder out, in one process or many (`torchrun`, `accelerate`).

The documents are read into memory; a corpus that does not fit is cut by `pivots corpus` and a selection first. A
killed run continues from the checkpoint in the hidden folder beside the output, which is written whole or not at all.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from semantic_pivots import run as runs
from semantic_pivots import tables
from semantic_pivots.config import key_fields
from semantic_pivots.corpus import documents as readers
from semantic_pivots.corpus.corpus_stage import CorpusConfig
from semantic_pivots.errors import InputError
from semantic_pivots.files import Record, digest, fingerprint, write_json, write_table
from semantic_pivots.selection.selections import id_hashes
from semantic_pivots.training.train_stage import TrainConfig

_HELD_OUT = 20  # documents of a language that are never trained on, at most
_HELD_OUT_SHARE = 0.1


@dataclass(frozen=True)
class Texts:
    """Documents of a run: the texts to train on in their order, and by language those held out."""

    train: list[str]
    held_out: dict[str, list[str]]


def read_texts(corpus: str, columns: tuple[str, ...], seed: int, max_bad_share: float) -> Texts:
    """Read documents in an order that depends on the seed and their ids alone, and hold some of each language out.

    Raises:
        InputError: nothing is there, it holds no document, or too many lines give none.
    """
    documents = list(readers.documents(corpus, readers.column_map(columns), max_bad_share))
    in_hash_order = [documents[i] for i in np.argsort(id_hashes([d.id for d in documents], seed), kind="stable")]
    sizes: dict[str, int] = {}
    for document in in_hash_order:
        sizes[document.language] = sizes.get(document.language, 0) + 1
    texts, held_out = [], {}
    # Held-out documents are chosen without the seed, so that runs of different seeds are evaluated alike.
    order = np.argsort(id_hashes([d.id for d in in_hash_order], -1), kind="stable")
    test_rows: set[int] = set()
    for index in order.tolist():
        test_texts = held_out.setdefault(in_hash_order[index].language, [])
        if len(test_texts) < min(_HELD_OUT, int(_HELD_OUT_SHARE * sizes[in_hash_order[index].language])):
            test_texts.append(in_hash_order[index].text)
            test_rows.add(index)
    texts = [document.text for index, document in enumerate(in_hash_order) if index not in test_rows]
    return Texts(texts, {language or "unknown": test_texts for language, test_texts in held_out.items() if test_texts})


def continue_model(
    config: TrainConfig,
    corpus: str,
    out: Path,
    columns: tuple[str, ...] = (),
    report: Callable[[str], None] = print,
    max_bad_share: float = CorpusConfig.max_bad_share,
) -> Record:
    """Train `config.model` on the documents of a corpus and write it to `out` with its log and `training.json`.

    Args:
        config: sizes, schedule, precision.
        corpus: file, folder or address of documents of any known format.
        out: folder to write: weights, tokenizer, model card, training_log.parquet, training.json.
        columns: renames of the documents' columns, role=column.
        report: receives one line per event.
        max_bad_share: share of lines without a text above which it stops.

    Returns:
        The content of training.json: configuration, tokens, bits per byte before and after, speed, memory.

    Raises:
        InputError: the model or the documents cannot be used, or the folder holds something else.
    """
    from accelerate import PartialState

    from semantic_pivots.models.device import default_device

    # Unless told, accelerate takes processes without an accelerator for single ones.
    processes = PartialState(cpu=default_device().type == "cpu")
    is_main = processes.is_main_process
    files = [path for path, _ in readers.list_files(corpus)]
    hashes = {path: fingerprint(Path(path), by_sample=True) if Path(path).exists() else "" for path in files}
    key = {"config": key_fields(config), "corpus": hashes, "columns": list(columns)}
    key_hash = digest(_json_key(key))
    record = _earlier_result(out, key_hash)
    if record is not None:
        report(f"nothing to do: {out} holds this run")
        return record
    scratch = out.with_name(f".{out.name}.partial")
    if is_main:
        _prepare(scratch, key_hash)
    processes.wait_for_everyone()
    texts = read_texts(corpus, columns, config.seed, max_bad_share)
    result = _run(config, texts, out, scratch, processes, report)
    if is_main:
        new = scratch / "out"
        write_json(new / "training.json", {"key": key_hash, **_json_key(key), **result})
        new.rename(out)
        shutil.rmtree(scratch)
    processes.wait_for_everyone()
    return result


def _run(config: TrainConfig, texts: Texts, out: Path, scratch: Path, processes: Any, report: Any) -> Record:
    from semantic_pivots.models.device import peak_memory
    from semantic_pivots.models.load import load
    from semantic_pivots.scoring.bits_per_byte import bits_per_byte
    from semantic_pivots.training.adapters import low_rank_adapters
    from semantic_pivots.training.arms import export
    from semantic_pivots.training.loop import train
    from semantic_pivots.training.pack import check_end, pack_texts

    is_main = processes.is_main_process
    # weights to be sharded stay on the CPU: each block moves to the accelerator when it is sharded
    device = "cpu" if config.shard and processes.num_processes > 1 else str(processes.device)
    base = load(config.model, dtype="float32", device=device, cache=config.cache)
    sequences = pack_texts(_endless_texts(texts.train), base.tokenizer, config.tokens, config.sequence_tokens)
    end = check_end(base.tokenizer, config.document_boundaries, lambda text: report(f"warning: {text}"))
    name = out.name

    def keep(model: Any, tokens: int) -> None:
        snapshot = replace(base, model=model)
        export(snapshot, config, name, config.seed, float("nan"), out.with_name(f"{out.name}-at-{tokens}"), tokens)

    progress = runs.Progress(config.tokens, "tokens", "train")
    with low_rank_adapters(base.model, config.lora_rank, config.seed), closing(progress):
        keeper = None if config.lora_rank else keep
        log = train(
            base.model, sequences, config, config.seed, scratch / "state.pt", progress.advance, end, keeper,
            lambda model: bits_per_byte(model, base.tokenizer, texts.held_out, in_group=True), measure_base=True,
        )  # fmt: skip
    if not is_main:
        return {}
    if not config.lora_rank:  # adapters are merged into the base's own modules
        base = replace(base, model=log.model)
    bits_before, bits_after = log.base, dict(zip(log.rows[-1]["languages"], log.rows[-1]["bits_per_byte"], strict=True))
    tokens = int(log.rows[-1]["tokens"])
    export(base, config, name, config.seed, log.rows[-1]["loss"], scratch / "out", tokens)
    rows = [{"arm": name, "seed": config.seed, **row} for row in log.rows]
    write_table(scratch / "out" / "training_log.parquet", tables.from_rows("training_log", rows))
    for language in bits_after:
        report(f"{language}: {bits_before[language]:.4f} -> {bits_after[language]:.4f} bits per byte of held-out text")
    memory = peak_memory(processes.device) or runs.peak_memory_bytes()
    return {
        "tokens": tokens,
        "processes": processes.num_processes,
        "bits_per_byte_before": bits_before,
        "bits_per_byte_after": bits_after,
        "tokens_per_second": tokens / max(log.seconds, 1e-9),
        "peak_memory_bytes": memory,
        "environment": runs.environment(),
    }


def _endless_texts(texts: list[str]) -> Iterator[str]:
    while texts:
        yield from texts


def _json_key(key: Record) -> Record:
    return {**key, "config": {k: list(v) if isinstance(v, tuple) else v for k, v in key["config"].items()}}


def _earlier_result(out: Path, key_hash: str) -> Record | None:
    import json

    if not out.exists():
        return None
    try:
        record = json.loads((out / "training.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{out}: exists and holds no run of `pivots train`; choose another folder") from error
    if record.get("key") != key_hash:
        raise InputError(f"{out}: holds a run of another configuration or other documents; choose another folder")
    return record


def _prepare(scratch: Path, key_hash: str) -> None:
    """Keep the checkpoint of the same run, and nothing of another one."""
    mark = scratch / "key"
    if not mark.exists() or mark.read_text("utf-8") != key_hash:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        mark.write_text(key_hash, "utf-8")
