"""Importance weights against the package of the method's authors, and against the definition."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from semantic_pivots.corpus.vocabulary import read_tokenizer
from semantic_pivots.errors import InputError
from semantic_pivots.selection import dsir
from semantic_pivots.selection.document_scores import document_scores
from semantic_pivots.selection.select_stage import SelectConfig
from tests.selection.test_selections import published, work

TEXTS = (
    "The garden was green, and the light was good.",
    "Le jardin est vert; la lumière est bonne.",
    "Don't panic: 42 is the answer...",
    "花园是绿色的。光线很好。",
    "the the THE garden",
    "x",
)
TARGET = ("Green light in the garden.", "A garden, a light!")
# HashedNgramDSIR of data-selection 1.0.3 on these texts, fit_importance_estimator("all"), compute_importance_weights()
REFERENCE = (-179.474794, -254.965513, -254.677832, -100.202608, -29.622839, -14.116616)


def counts(found: dsir.Ngrams) -> np.ndarray:
    return np.bincount(found[0], minlength=dsir.BUCKETS)


def test_weights_are_those_of_the_authors_package():
    held = dsir.word_ngrams(TEXTS)
    ratio = dsir.log_ratio(counts(dsir.word_ngrams(TARGET)), counts(held))
    assert dsir.importance(held, ratio) == pytest.approx(REFERENCE, abs=1e-5)


def test_tokens_and_their_pairs_are_counted_within_documents():
    flat, offsets = np.array([3, 3, 5, 3], np.int32), np.array([0, 3, 3, 4])
    found, begins = dsir.token_ngrams(flat, offsets)
    assert begins.tolist() == [0, 5, 5, 6]  # three tokens and two pairs, none, one token
    assert found[0] == found[2] == found[5]
    ratio = np.arange(dsir.BUCKETS, dtype=float)
    assert dsir.importance((found, begins), ratio).tolist() == [found[:5].sum(), 0, found[5]]


def test_the_target_is_read_up_to_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    tokenizer = read_tokenizer(published(tmp_path / "corpus").folder("tokens") / "tokenizer.json")
    monkeypatch.setattr(dsir, "_TARGET_DOCUMENTS", 2)
    (tmp_path / "target").mkdir()
    for number in range(3):
        (tmp_path / "target" / f"{number}.txt").write_text("garden light")
    for units in ("words", "tokens"):
        assert dsir.target_ngrams(str(tmp_path / "target"), tokenizer, units).sum() == 2 * 3  # two words and their pair


@pytest.mark.parametrize("units", ["words", "tokens"])
def test_towards_languages_of_the_corpus_their_documents_weigh_more(tmp_path: Path, units: Literal["words", "tokens"]):
    inputs = published(tmp_path / "corpus")
    configs = [
        SelectConfig(workers=1, dsir_languages=of, dsir_units=units) for of in (("fr",), ("en", "fr", "ja"), ("ko",))
    ]
    scores, all_three = (
        document_scores(config, inputs, work(tmp_path / config.dsir_languages[-1])).read() for config in configs[:2]
    )
    weight, french = np.array(scores["dsir"].to_pylist()), np.array(scores["language"].to_pylist()) == "fr"
    weight = weight / np.maximum(scores["n_tokens"].to_numpy(), 1)
    long = np.array(scores["n_tokens"].to_pylist()) >= 10
    assert weight[french & long].mean() > weight[~french & long].mean()
    assert np.allclose(all_three["dsir"].to_numpy(), 0)
    with pytest.raises(InputError, match="no document of them"):
        document_scores(configs[2], inputs, work(tmp_path / "none"))
