"""Link and need on models whose answers can be computed by hand, and on every family with a cache of its own kind."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from semantic_pivots.errors import InputError
from semantic_pivots.models.lens import Lens
from semantic_pivots.models.link_and_need import Asker, Question
from semantic_pivots.training.small_models import fresh_model, word_tokenizer
from tests.models import tiny


def relay():
    """A model whose blocks change nothing: what it says next is read off the last token's own embedding."""
    torch.manual_seed(1)
    model = fresh_model("llama", word_tokenizer(["a", "s", "p", "q", "r", "t"]), 16, 2, 0).eval()
    with torch.no_grad():
        for block in model.model.layers:
            block.self_attn.o_proj.weight.zero_()
            block.mlp.down_proj.weight.zero_()
        model.get_input_embeddings().weight.normal_(generator=torch.Generator().manual_seed(3))
    return model


def test_link_need_and_screen_worked_by_hand():
    model, tokenizer = relay(), word_tokenizer(["a", "s", "p", "q", "r", "t"])
    lens = Lens.from_model(model)
    asker = Asker(lens, tokenizer)
    found = asker.effects(Question("a a s", 4, "s", " t", ("p",), (("q",), ("r",))))
    every = model.get_input_embeddings().weight.detach().double()
    mean, ids = every.mean(0), {word: tokenizer.convert_tokens_to_ids(word) for word in "asqprt"}
    own = every[ids["s"]] - mean

    @torch.no_grad()
    def says(row):  # log P(t) where the last embedding is mean + row
        logits = lens.decode((mean + row).float()[None])[0].double()
        return float(torch.log_softmax(logits, -1)[ids["t"]])

    def along(row, direction):
        return direction * float(row @ direction) / float(direction @ direction)

    assert found.logprob == pytest.approx(says(own), abs=1e-5)
    assert found.is_answered == (int(lens.decode((mean + own).float()[None])[0].argmax()) == ids["t"])
    for word, link, need in (
        ("p", found.link, found.need),
        ("q", found.link_controls[0], found.need_controls[0]),
        ("r", found.link_controls[1], found.need_controls[1]),
    ):
        pivot = every[ids[word]] - mean
        assert link == pytest.approx(says(pivot - along(pivot, own)), abs=1e-5)
        part = along(own, pivot)
        rest = own - part
        as_much = rest * min(1.0, float(part.norm() / rest.norm()))
        assert need == pytest.approx(says(own - as_much) - says(own - part), abs=1e-5)
    # to first order: a hundredth of both changes, a hundred times
    pivot = every[ids["p"]] - mean
    part = along(own, pivot)
    step = part - (own - part) * min(1.0, float(part.norm() / (own - part).norm()))
    slope = (says(own + 1e-2 * step) - says(own - 1e-2 * step)) / 2e-2
    assert found.screen == pytest.approx(slope, rel=0.01)


def test_a_word_keeps_its_place_behind_the_name_of_a_special_token():
    tokenizer = tiny.tokenizer("byte-level")
    asker = Asker(Lens.from_model(tiny.model("llama")), tokenizer)
    prompt = "Say </s> </s>: water, eau, sun,"
    question = Question(prompt, prompt.index("sun"), "sun", " soleil", ("moon",), (("tree",),))
    assert tokenizer.decode(asker.prompts_of(question).source.tokens).strip() == "sun"


def test_a_set_of_words_leads_by_its_mean_probability():
    asker = Asker(Lens.from_model(relay()), word_tokenizer(["a", "s", "p", "q", "r", "t"]))
    one, two, both = (
        asker.effects(Question("a a s", 4, "s", " t", words, (("r",) * len(words),))).link
        for words in (("p",), ("q",), ("p", "q"))
    )
    assert both == pytest.approx(math.log((math.exp(one) + math.exp(two)) / 2), abs=1e-6)


PROMPT = "Please translate words from English to French.\n\nEnglish: dog\nFrench: chien\n\nEnglish: mountain\nFrench:"
QUESTION = Question(
    PROMPT,
    PROMPT.rindex("mountain"),
    "mountain",
    " étoile",
    ("river", "the stars"),
    (("house", "tree"), ("солнце", "sun"), ("太阳", "みず")),
)


@pytest.mark.parametrize("family", [*tiny.FAMILIES, *tiny.UNPADDED, "ctrl", "moe"])
def test_a_shared_beginning_changes_nothing(family):
    if family == "moe":
        tokenizer = tiny.tokenizer("byte-level")
        model = fresh_model("moe", tokenizer, 32, 2, 0).eval()
    else:
        tokenizer, model = tiny.tokenizer("byte-level"), tiny.model(family)
    asker = Asker(Lens.from_model(model), tokenizer, batch=3)
    found = asker.effects(QUESTION)
    plain = Asker(Lens.from_model(model), tokenizer)
    plain.sharing = False
    expected = plain.effects(QUESTION)
    for name in ("logprob", "link", "need", "screen", "link_controls", "need_controls", "screen_controls"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=2e-3, err_msg=name)
    assert asker.sharing is (family != "rwkv")  # which has no cache that can be handed on
    assert np.isfinite(found.need_controls).all()
    if asker.sharing:
        assert asker.computed_tokens < plain.computed_tokens


@pytest.mark.parametrize("family", ["gpt2", "gemma3", "mamba", "rwkv"])
def test_items_asked_together_have_the_effects_of_each_alone(family):
    asker = Asker(Lens.from_model(tiny.model(family)), tiny.tokenizer("byte-level"), batch=5)
    others = [
        dataclasses.replace(QUESTION, answer=" soleil", pivots=("солнце",), controls=(("moon",), ("sun",), ("太阳",))),
        Question("English: sun\nFrench:", 9, "sun", " soleil", ("river", "moon"), (("house", "tree"),)),
    ]
    questions = [QUESTION, *others]
    together = asker.effects_of([asker.prompts_of(question) for question in questions])
    for question, effects in zip(questions, together, strict=True):
        alone = asker.effects(question)
        for name in ("logprob", "link", "need", "screen", "link_controls", "need_controls", "screen_controls"):
            np.testing.assert_allclose(getattr(effects, name), getattr(alone, name), atol=1e-4, err_msg=name)
        assert effects.is_answered == alone.is_answered


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_words_of_several_tokens_are_found_at_their_places(kind):
    tokenizer = tiny.tokenizer(kind)
    asker = Asker(Lens.from_model(tiny.model("llama")), tokenizer)
    for word, one in zip(
        ("mountain", "太阳", "river"), asker._locate(QUESTION, ["mountain", "太阳", "river"]), strict=True
    ):
        assert tokenizer.decode(one.tokens).strip() == word
        assert max(one.positions) < one.start


def test_more_controls_of_a_word_cost_little():
    asker = Asker(Lens.from_model(tiny.model("llama")), tiny.tokenizer("byte-level"))
    words = ["house", "tree", "river", "moon", "stars", "sun", "water", "dog"]
    sets = tuple((words[i % 8], words[(i + 1 + i // 8) % 8]) for i in range(39))
    asker.effects(Question(QUESTION.prompt, QUESTION.place, "mountain", " étoile", ("le", "la"), sets))
    assert asker.computed_tokens / asker.prompt_tokens <= 60


def test_a_model_that_is_not_causal_is_refused():
    import transformers

    config = transformers.BertConfig(
        vocab_size=64, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48
    )
    lens = Lens.from_model(transformers.BertForMaskedLM(config).eval())
    with pytest.raises(InputError, match="causal"):
        Asker(lens, tiny.tokenizer("byte-level"))


def test_the_source_word_stands_where_it_is_said_to():
    with pytest.raises(ValueError, match="does not stand at 3"):
        Question("a a s", 3, "s", " t", ("p",), ())
