"""Held-out text and behaviours of trained arms: against plain computation, and refused where they would mislead."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from semantic_pivots import tables
from semantic_pivots.errors import InputError
from semantic_pivots.files import write_table
from semantic_pivots.run import Inputs, Work
from semantic_pivots.tasks.sentences import chrf_of_weights
from semantic_pivots.tasks.translation import Item
from semantic_pivots.training.compare_stage import CompareConfig
from semantic_pivots.training.evaluation import ASTRAY, BITS, CHRF, Evaluator, HeldOut
from tests import miniature

ENGLISH = [f"The printer number {n} does not answer today, please open the window." for n in range(8)]
FRENCH = [f"L'imprimante numéro {n} ne répond pas aujourd'hui, ouvrez la fenêtre." for n in range(8)]


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> tuple[Path, Inputs]:
    """A model of the miniature study, and held-out documents of which one is a translation of another."""
    folder = tmp_path_factory.mktemp("evaluate")
    miniature.write(folder)
    corpus = folder / "corpus"
    corpus.mkdir()
    texts = ["\n".join(ENGLISH), "\n".join(FRENCH), "A page that nobody translated, with the dog and the cat."]
    ids = ["help:/en/a.html", "help:/fr/a.html", "help:/en/b.html"]
    languages = ["en", "fr", "en"]
    write_table(corpus / "s.parquet", pa.table({"text": texts}))
    shard = {"shard": "s", "path": "s.parquet", "language": "mixed", "source": "x", "documents": 3, "text_bytes": 1}
    write_table(corpus / "shards.parquet", tables.from_rows("shards", [shard]))
    rows = [
        {"selection": "held-out", "shard": "s", "row": i, "doc_id": d, "language": c, "n_tokens": 9, "score": 0.0}
        for i, (d, c) in enumerate(zip(ids, languages, strict=True))
    ]
    write_table(corpus / "selection.parquet", tables.from_rows("selection", rows))
    return folder, Inputs({"corpus": corpus})


def item() -> Item:
    return Item("en-fr:dog", "dog", "en", "fr", "dog", "chien", ("cat", "moon"))


def test_bits_and_sentences_equal_plain_computation(study, tmp_path):
    torch.set_num_threads(1)
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder, inputs = study
    config = CompareConfig(sentences_per_direction=5, resamples=40, text_tokens=100_000)
    evaluator = Evaluator(config, inputs, [item()], Work(tmp_path, tmp_path))
    found = evaluator.figures(str(folder / "model"), "arm")
    model = AutoModelForCausalLM.from_pretrained(folder / "model")
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    ids = tokenizer("\n".join(FRENCH), add_special_tokens=False)["input_ids"]
    row = torch.tensor([[tokenizer.eos_token_id or 0, *ids]])
    with torch.no_grad():
        loss = float(model(input_ids=row, labels=row).loss) * len(ids)
    expected = loss / math.log(2) / len("\n".join(FRENCH).encode())
    assert found["fr", "fr", "all", BITS].value == pytest.approx(expected, rel=1e-4)
    assert found["en", "en", "all", BITS].n == 2
    assert found["all", "all", "all", BITS].value == pytest.approx(
        (found["en", "en", "all", BITS].value + found["fr", "fr", "all", BITS].value) / 2
    )
    assert {key[3] for key in found} == {BITS, CHRF, ASTRAY}
    assert found["en", "fr", "all", CHRF].n == 5
    # a random model writes no French
    assert found["en", "fr", "all", ASTRAY].value >= 0.8
    again = evaluator.figures("a model that is not there", "arm")
    assert all(np.array_equal(again[key].samples, found[key].samples) for key in found)


def test_shots_are_not_among_the_sentences_asked(study):
    held_out = HeldOut(study[1], ["en", "fr"], 4, 0)
    for pairs in held_out.pairs.values():
        assert len({name for name, _, _ in pairs}) == len(pairs) == 6


def test_chrf_of_resamples_is_that_of_the_repeated_sentences():
    from sacrebleu.metrics.chrf import CHRF

    written, references = ["la maison est verte", "un chien"], ["la maison est rouge", "un chat noir"]
    value, sampled = chrf_of_weights(written, references, np.array([[1.0, 1.0], [3.0, 0.0], [1.0, 2.0]]))
    plain = CHRF()
    assert value == pytest.approx(plain.corpus_score(written, [references]).score)
    assert sampled[0] == pytest.approx(value)
    assert sampled[1] == pytest.approx(plain.corpus_score(written[:1] * 3, [references[:1] * 3]).score)
    repeated = [written[0], written[1], written[1]], [[references[0], references[1], references[1]]]
    assert sampled[2] == pytest.approx(plain.corpus_score(*repeated).score)


def test_labels_need_pivots_in_the_tokens_of_the_model(study, tmp_path):
    folder, inputs = study
    evaluator = Evaluator(CompareConfig(behaviours="paper"), inputs, [item()], Work(tmp_path, tmp_path))
    with pytest.raises(InputError, match="needs the stages tokens and discover"):
        evaluator.labels(str(folder / "model"), "arm")
