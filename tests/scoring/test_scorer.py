import copy
import itertools
import warnings

import numpy as np
import pytest
import torch
import transformers

from semantic_pivots.errors import InputError
from semantic_pivots.models.tokens import answer_span
from semantic_pivots.scoring import scorer as scorer_module
from semantic_pivots.scoring.scorer import Scorer, answer_logprobs
from tests.models import tiny

SHOTS = (
    "Translate from English to French.\n\nEnglish: water\nFrench: eau\n\nEnglish: tree\nFrench: arbre\n\nEnglish: ",
    "Translate from Chinese to Japanese.\n\nChinese: 水\nJapanese: みず\n\nChinese: 山\nJapanese: やま\n\nChinese: ",
)


def pairs(words: int = 4, targets: int = 12) -> tuple[list[str], list[str]]:
    asked = [
        (f"{shots}{word}\nFrench:", f" {target}")
        for shots, word, target in itertools.product(SHOTS, tiny.WORDS[:words], tiny.WORDS[:targets])
    ]
    return [prompt for prompt, _ in asked], [answer for _, answer in asked]


@torch.inference_mode()
def plain(model, tokenizer, prompt: str, answer: str) -> np.ndarray:
    """One prompt, one forward, all logits: what the scorer must equal."""
    ids, start, end = answer_span(tokenizer, prompt, answer)
    logits = model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
    return np.array([logits[at - 1, ids[at]].item() for at in range(start, end)], dtype=np.float32)


@pytest.mark.parametrize("kind", tiny.KINDS)
@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_equals_a_plain_forward_of_each_prompt(family, kind):
    model, tokenizer = tiny.model(family), tiny.tokenizer(kind)
    prompts, answers = pairs()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a model read without its cache would pass too, and slowly
        found = answer_logprobs(model, tokenizer, prompts, answers)
    lengths = {len(logprobs) for logprobs in found}
    assert min(lengths) == 1
    assert max(lengths) >= 8
    assert all(logprobs.dtype == np.float32 for logprobs in found)
    for prompt, answer, logprobs in zip(prompts, answers, found, strict=True):
        # float32 sums in another order: 1.1e-5 was seen in a recurrent model, against 1e-4 that is promised
        np.testing.assert_allclose(logprobs, plain(model, tokenizer, prompt, answer), atol=3e-5, rtol=0)


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_batch_equals_single_whatever_the_order_and_the_budget(family):
    model, tokenizer = tiny.model(family), tiny.tokenizer("byte-level")
    prompts, answers = pairs()
    whole = answer_logprobs(model, tokenizer, prompts, answers)
    order = np.random.default_rng(0).permutation(len(prompts))[:20]
    tight = Scorer(model, tokenizer, batch_tokens=64)
    shuffled = tight.score([prompts[i] for i in order], [answers[i] for i in order])
    for i, scored in zip(order, shuffled, strict=True):
        np.testing.assert_allclose(scored.logprobs, whole[i], atol=1e-5, rtol=0)
        single = answer_logprobs(model, tokenizer, [prompts[i]], [answers[i]])[0]
        np.testing.assert_allclose(single, whole[i], atol=1e-5, rtol=0)


@pytest.mark.filterwarnings("ignore:the model's cache does not reproduce")
@pytest.mark.parametrize("family", [*tiny.FAMILIES, *tiny.UNPADDED, "xlm"])
def test_greedy_equals_token_by_token_argmax(family):
    model, tokenizer = tiny.model(family), tiny.tokenizer("byte-level")
    prompts = [f"{shots}{word}\nFrench:" for shots in SHOTS for word in tiny.WORDS]
    found = Scorer(model, tokenizer).greedy(prompts, 5)
    for prompt, text in zip(prompts, found, strict=True):
        ids = tokenizer(prompt)["input_ids"]
        written: list[int] = []
        with torch.inference_mode():
            for _ in range(5):
                written.append(int(model(input_ids=torch.tensor([ids + written])).logits[0, -1].argmax()))
                if written[-1] == tokenizer.eos_token_id or "\n" in tokenizer.decode(written).lstrip(" "):
                    break
        assert text == tokenizer.decode(written, skip_special_tokens=True).split("\n")[0].strip()


def test_out_of_memory_halves_the_batch_and_says_so(monkeypatch):
    model, tokenizer = tiny.model("llama"), tiny.tokenizer("byte-level")
    prompts, answers = pairs()
    want = answer_logprobs(model, tokenizer, prompts, answers)
    told: list[str] = []
    scorer = Scorer(model, tokenizer, notice=told.append)
    hidden = scorer.network.hidden_states

    def small_memory(ids, *arguments, **named):
        if ids.numel() > 70:
            raise torch.OutOfMemoryError("out of memory: 70 tokens fit")
        return hidden(ids, *arguments, **named)

    monkeypatch.setattr(scorer.network, "hidden_states", small_memory)
    found = scorer.score(prompts, answers)
    assert len(told) >= 1
    assert "tokens per forward pass" in told[0]
    assert scorer.budget.tokens < 4096
    for scored, logprobs in zip(found, want, strict=True):
        np.testing.assert_allclose(scored.logprobs, logprobs, atol=1e-5, rtol=0)


def test_a_model_whose_cache_lies_is_read_without_it(monkeypatch):
    model, tokenizer = tiny.model("llama"), tiny.tokenizer("byte-level")
    monkeypatch.setattr(scorer_module, "share_rows", lambda cache, rows: None)
    told: list[str] = []
    scored = Scorer(model, tokenizer, notice=told.append).score([SHOTS[0] + "sun\nFrench:"], [" soleil"])
    assert "without it" in told[0]
    want = plain(model, tokenizer, SHOTS[0] + "sun\nFrench:", " soleil")
    np.testing.assert_allclose(scored[0].logprobs, want, atol=1e-5, rtol=0)


def test_a_text_longer_than_the_context_is_an_error_for_people():
    with pytest.raises(InputError, match="the model's context 512"):
        answer_logprobs(tiny.model("gpt2"), tiny.tokenizer("byte-level"), ["word " * 600 + ":"], [" x"])


def test_what_is_no_number_is_refused_with_its_count():
    model, tokenizer = copy.deepcopy(tiny.model("llama")), tiny.tokenizer("byte-level")
    prompts = [SHOTS[0] + f"{word}\nFrench:" for word in ("sun", "moon", "🜁")]
    token = tokenizer("🜁")["input_ids"][-1]
    with torch.no_grad():
        model.get_input_embeddings().weight[token] = float("nan")
    told = "no number .NaN. for 1 of 3 answers, first ' x' after '.*🜁.*'; its weights are damaged"
    scorer = Scorer(model, tokenizer)
    with pytest.raises(InputError, match=told):
        scorer.score(prompts, [" xxxxxx", " xxxxxx", " x"])
    with pytest.raises(InputError, match=r"no number .NaN. for . of . tokens"):
        scorer.greedy(prompts, 4)


def test_an_answer_that_the_tokenizer_cannot_write_is_told_once():
    told: list[str] = []
    scorer = Scorer(tiny.model("llama"), tiny.tokenizer("sentencepiece"), notice=told.append)
    for _ in range(2):
        scorer.score([SHOTS[0] + "sun\nFrench:"] * 3, [" soleil", " 錨", " eau"])
    assert told == [
        "1 of 3 answers (first ' 錨') have characters unknown to the tokenizer: what is scored is its unknown token"
    ]


def test_the_overflow_of_float16_is_named():
    model, tokenizer = copy.deepcopy(tiny.model("llama")).half(), tiny.tokenizer("byte-level")
    with torch.no_grad():
        model.model.layers[0].mlp.down_proj.weight.fill_(60_000)
    with pytest.raises(InputError, match=r"no number .*float16 overflows: use bfloat16 or float32"):
        Scorer(model, tokenizer).score([SHOTS[0] + "sun\nFrench:"], [" soleil"])


def test_a_model_that_keeps_its_states_to_itself_is_read_without_a_cache():
    """RecurrentGemma's states are attributes of its modules: the rows of one request would begin from another's."""
    config = transformers.RecurrentGemmaConfig(
        vocab_size=640,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        lru_width=32,
        attention_window_size=24,
        bos_token_id=0,
        eos_token_id=1,
    )
    torch.manual_seed(7)
    model, tokenizer = transformers.AutoModelForCausalLM.from_config(config).eval(), tiny.tokenizer("byte-level")
    told: list[str] = []
    prompts, answers = pairs()
    scorer = Scorer(model, tokenizer, notice=told.append)
    scored = scorer.score(prompts[:20], answers[:20])
    assert "cache does not reproduce its plain forward" in told[0]
    assert not scorer.sharing
    for prompt, answer, found in zip(prompts, answers, scored, strict=False):
        np.testing.assert_allclose(found.logprobs, plain(model, tokenizer, prompt, answer), atol=3e-5, rtol=0)


@pytest.mark.filterwarnings("ignore:the model's cache does not reproduce")
def test_a_model_that_reads_both_ways_is_refused():
    model = tiny.model("roberta")
    both = transformers.RobertaForCausalLM(
        transformers.RobertaConfig(**{**model.config.to_dict(), "is_decoder": False})
    )
    both.load_state_dict(model.state_dict())
    with pytest.raises(InputError, match="expected a causal model"):
        answer_logprobs(both.eval(), tiny.tokenizer("byte-level"), ["the sun and the moon:"], [" soleil"])


@pytest.mark.skipif("gemma4_unified_text" not in transformers.CONFIG_MAPPING, reason="older transformers")
def test_sizes_that_differ_by_layer_are_read():
    """Gemma 4 keeps its head width by layer and refuses to name one for all."""
    config = transformers.CONFIG_MAPPING["gemma4_unified_text"](
        vocab_size=640,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        global_head_dim=16,
        layer_types=["sliding_attention", "full_attention"],
    )
    model, tokenizer = transformers.AutoModelForCausalLM.from_config(config).eval(), tiny.tokenizer("byte-level")
    prompt, answers = f"{SHOTS[0]}sun\nFrench:", [" soleil", " étoile"]
    found = answer_logprobs(model, tokenizer, [prompt] * 2, answers)
    for answer, logprobs in zip(answers, found, strict=True):
        np.testing.assert_allclose(logprobs, plain(model, tokenizer, prompt, answer), atol=3e-5, rtol=0)


@pytest.mark.parametrize("family", ["gpt2", "llama", "mamba"])
def test_each_prompt_is_fed_once_however_many_answers_follow(family, monkeypatch):
    model, tokenizer = tiny.model(family), tiny.tokenizer("byte-level")
    prompts, answers = pairs(words=12, targets=4)
    scorer = Scorer(model, tokenizer)
    scorer.score(prompts[:1], answers[:1])  # the check against a plain forward is not counted
    assert scorer.trees == (family != "mamba")
    assert scorer.branching
    fed, hidden = [], scorer.network.hidden_states
    monkeypatch.setattr(
        scorer.network, "hidden_states", lambda ids, *rest: fed.append(ids.numel()) or hidden(ids, *rest)
    )
    found = scorer.score(prompts, answers)
    deep = sum(fed)
    fed.clear()
    scorer.trees = scorer.branching = False
    flat = scorer.score(prompts, answers)
    assert deep < 0.8 * sum(fed)
    for one, other in zip(found, flat, strict=True):
        np.testing.assert_allclose(one.logprobs, other.logprobs, atol=1e-5, rtol=0)


def test_packs_of_rows_with_branches_keep_to_the_budget():
    model, tokenizer = tiny.model("llama"), tiny.tokenizer("byte-level")
    prompts, answers = pairs(words=12, targets=4)
    whole = answer_logprobs(model, tokenizer, prompts, answers)
    for budget in (8, 200):
        tight = Scorer(model, tokenizer, batch_tokens=budget).score(prompts, answers)
        for scored, logprobs in zip(tight, whole, strict=True):
            np.testing.assert_allclose(scored.logprobs, logprobs, atol=1e-5, rtol=0)


@pytest.mark.parametrize("whole", [0, 10_000])
@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma3", "opt"])
def test_trees_feed_each_token_once(family, whole, monkeypatch):
    """With the prefix in a cache, and as part of the tree."""
    model, tokenizer = copy.deepcopy(tiny.model(family)), tiny.tokenizer("byte-level")
    if family == "gemma3":  # a window that holds every prompt
        model.config.sliding_window = 400
        model = transformers.AutoModelForCausalLM.from_config(model.config).eval()
    prompts, answers = pairs(words=12, targets=4)
    scorer = Scorer(model, tokenizer)
    scorer.score(prompts[:1], answers[:1])
    assert scorer.trees
    scorer._whole = whole
    fed, hidden = [], scorer.network.hidden_states
    monkeypatch.setattr(
        scorer.network, "hidden_states", lambda ids, *rest: fed.append(ids.numel()) or hidden(ids, *rest)
    )
    found = scorer.score(prompts, answers)
    spans = [answer_span(tokenizer, *pair)[0][:-1] for pair in zip(prompts, answers, strict=True)]
    distinct = len({tuple(ids[:end]) for ids in spans for end in range(1, len(ids) + 1)})
    assert distinct <= sum(fed) <= 1.15 * distinct  # trees end at rows, and are padded
    for prompt, answer, scored in list(zip(prompts, answers, found, strict=True))[::7]:
        np.testing.assert_allclose(scored.logprobs, plain(model, tokenizer, prompt, answer), atol=3e-5, rtol=0)


def test_greedy_text_of_a_prompt_that_begins_another():
    model, tokenizer = tiny.model("llama"), tiny.tokenizer("byte-level")
    prompts = [SHOTS[0] + tail for tail in ("sun\nFrench:", "sun\nFrench: so", "sun\nFrench: soleil\n", "moon")]
    found = Scorer(model, tokenizer).greedy(prompts, 4)
    assert found == [Scorer(model, tokenizer).greedy([prompt], 4)[0] for prompt in prompts]
    assert len(set(found)) > 1


def test_a_kernel_that_is_missing_is_told_and_not_taken_for_a_model_without_a_cache(monkeypatch):
    model, tokenizer = tiny.model("llama"), tiny.tokenizer("byte-level")
    scorer = Scorer(model, tokenizer)

    def without_plan(*arguments, **named):
        raise RuntimeError("cuDNN Frontend error: No execution plans support the graph.")

    monkeypatch.setattr(scorer.network, "hidden_states", without_plan)
    with pytest.raises(RuntimeError, match="No execution plans"):
        scorer.score([SHOTS[0] + "sun\nFrench:"], [" soleil"])
