"""Link and need in a natural world's model, against the same by hand."""

import numpy as np
import pytest
import torch

from semantic_pivots.analysis.controls import PivotWord
from semantic_pivots.natural import causal_outcomes
from semantic_pivots.natural.causal_outcomes import link_and_need
from semantic_pivots.natural.models import tokenizer_of
from semantic_pivots.natural.world import Concept
from semantic_pivots.natural.world_vocabulary import vocabulary
from semantic_pivots.training.small_models import fresh_model

WORDS = {f"word{i}": "en" for i in range(60)} | {"chien": "fr"}


@pytest.fixture(scope="module")
def asked():
    vocab = vocabulary(["a dog"], WORDS, ("en", "fr"), 400, 0)
    tokenizer = tokenizer_of(vocab)
    model = fresh_model("llama", tokenizer, 32, 2, 5).eval()
    ids = vocab.word_ids
    concept = Concept("dog", {"en": "word0", "fr": "chien"}, True, {"en": ids["word0"], "fr": ids["chien"]})
    pivots = {"dog": [_pivot(ids["word1"])], "others": [_pivot(ids[f"word{i}"]) for i in range(2, 50)]}
    return model, tokenizer, vocab, concept, pivots


def _pivot(i):
    return PivotWord(str(i), 10, "token", 1)


def _logprob(model, vocab, concept, rows):
    """log P(chien) in `<en> X <fr>` where X has given embeddings."""
    ids = torch.tensor([[vocab.end, vocab.marks["en"], concept.ids["en"], vocab.marks["fr"]]] * len(rows))
    embeddings = model.get_input_embeddings()(ids).detach().clone()
    embeddings[:, 2] = rows
    with torch.no_grad():
        return torch.log_softmax(model(inputs_embeds=embeddings).logits[:, -1], -1)[:, concept.ids["fr"]].numpy()


def test_link_and_need_are_those_of_the_definition(asked):
    model, tokenizer, vocab, concept, pivots = asked
    effects = link_and_need(model, tokenizer, vocab, [concept], pivots, 7)
    assert set(effects) == {("dog", "en", "fr"), ("dog", "fr", "en")}
    every = model.get_input_embeddings().weight.detach()
    mean = every.mean(0)
    source = every[concept.ids["en"]] - mean
    words = [int(pivot.text) for pivot in [*pivots["dog"], *pivots["others"]]]
    apart = torch.stack([every[i] - _part(every[i] - mean, source) for i in words])
    link = _logprob(model, vocab, concept, apart)
    parts = torch.stack([_part(source, every[i] - mean) for i in words])
    rest = source - parts
    as_much = rest * (parts.norm(dim=-1) / rest.norm(dim=-1))[:, None]
    need = _logprob(model, vocab, concept, source - as_much + mean) - _logprob(model, vocab, concept, rest + mean)
    # each of the 39 sets is one of 48 words: their mean lies between those of the 39 least and of the 39 greatest
    for name, values in (("link", link), ("need", need)):
        others = np.sort(values[1:])
        low, high = values[0] - others[-39:].mean(), values[0] - others[:39].mean()
        assert low - 1e-4 <= effects["dog", "en", "fr"][name] <= high + 1e-4
        assert high - low < others.std()


def test_concepts_asked_together_have_the_effects_of_each_alone(asked, monkeypatch):
    model, tokenizer, vocab, concept, pivots = asked
    concepts = [
        concept,
        Concept("cat", {"en": "word51"}, True, {"en": vocab.word_ids["word51"], "fr": concept.ids["fr"]}),
    ]
    pivots = {**pivots, "cat": [_pivot(vocab.word_ids["word52"])]}
    alone = link_and_need(model, tokenizer, vocab, concepts, pivots, 7)
    monkeypatch.setattr(causal_outcomes, "_CPU", (100, 3))
    together = link_and_need(model, tokenizer, vocab, concepts, pivots, 7)
    assert list(together) == list(alone)
    assert len(alone) == 4
    for key, effects in alone.items():
        assert together[key] == pytest.approx(effects, abs=1e-5)


def _part(vector, along):
    return along * (vector @ along) / (along @ along)


def test_a_concept_without_enough_controls_or_pivots_has_no_effects(asked):
    model, tokenizer, vocab, concept, pivots = asked
    few = {"dog": pivots["dog"], "others": pivots["others"][:38]}
    assert link_and_need(model, tokenizer, vocab, [concept], few, 7) == {}
    assert link_and_need(model, tokenizer, vocab, [concept], {"others": pivots["others"]}, 7) == {}
