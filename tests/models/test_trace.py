"""The trace's rows against the same numbers computed one case and one layer at a time."""

import pytest
import torch

from semantic_pivots.models import trace
from semantic_pivots.models.lens import Lens
from semantic_pivots.models.readouts import readouts
from semantic_pivots.models.trace_stage import TraceConfig
from semantic_pivots.tables import from_rows
from semantic_pivots.tasks import questions
from semantic_pivots.tasks.translation import items_of
from semantic_pivots.training.small_models import fresh_model, word_tokenizer

LANGUAGES = ("en", "fr")


@pytest.mark.parametrize("head_rows", [1, 5, 64])
def test_rows_equal_those_of_one_case_and_layer_at_a_time(monkeypatch, head_rows):
    vocabulary = [f"{code}{k}" for code in LANGUAGES for k in range(12)] + [f"p{k}" for k in range(8)]
    tokenizer = word_tokenizer(vocabulary)
    model = fresh_model("llama", tokenizer, 32, 3, 0).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(8)
    lens = Lens.from_model(model)
    words = from_rows(
        "words",
        [
            {"concept_id": f"c{k}", "language": code, "word": f"{code}{k}", "source": "", "licence": ""}
            for k in range(12)
            for code in LANGUAGES
        ],
    )
    items = items_of(
        from_rows(
            "items",
            [
                {"item_id": f"i{k}", "task": "translation", "concept_id": f"c{k}", "strata": []}
                | {"source_language": "en", "target_language": "fr", "source": f"en{k}", "target": f"fr{k}"}
                | {"distractors": [f"en{(k + j) % 12}" for j in range(1, 4)]}
                for k in range(7)
            ],
        )
    )
    pivots = from_rows(
        "pivots",
        [
            {"item_id": f"i{k}", "token": tokenizer(f"p{k}")["input_ids"][-1], "text": f"p{k}", "rank": 0}
            | {"surplus_source": 0.0, "surplus_target": 0.0, "measure": "min", "value": 0.0}
            for k in range(6)
        ],
    )
    config = TraceConfig(top=3, shots=2, batch_tokens=60)
    cases = questions.cases(items, words, config.shots, config.seed)
    sets = trace.Sets(words, pivots, items, cases, tokenizer, 0)
    monkeypatch.setattr(trace, "_HEAD_ROWS", head_rows)
    monkeypatch.setattr(trace, "_SLICE_NUMBERS", 2 * len(tokenizer))
    with torch.inference_mode():
        table = trace.Reader(lens, readouts(lens, tokenizer, ["logit"]), tokenizer, sets, config).read(cases)
        rows = iter(table.to_pylist())
        for case in cases:
            ids = torch.tensor([tokenizer(case.prompt)["input_ids"]])
            residuals = lens.residuals(ids, torch.tensor([ids.shape[1] - 1]))
            for layer in range(lens.layers):
                row = next(rows)
                probs = lens.decode(residuals[layer])[0].float().softmax(-1)
                assert (row["item_id"], row["layer"]) == (case.case_id, layer)
                assert row["top_ids"] == probs.topk(3).indices.tolist()
                assert row["top_probs"] == pytest.approx(probs.topk(3).values.tolist(), abs=1e-5)
                assert row["entropy"] == pytest.approx(
                    float(torch.distributions.Categorical(probs).entropy()), abs=1e-4
                )
                for name, own in (("source", sets.source), ("target", sets.target), ("pivot", sets.pivot)):
                    tokens = sorted(own.get(case.case_id, ()))
                    expected = float(probs[tokens].sum()) if tokens else None
                    assert row[f"mass_{name}"] == (None if expected is None else pytest.approx(expected, abs=1e-5))
                spoken = [sorted(own) for own in sets.language[case.case_id].values()]
                assert row["mass_languages"] == pytest.approx([float(probs[own].sum()) for own in spoken], abs=1e-5)
    assert next(rows, None) is None


@pytest.mark.parametrize("size", [40, 5_120, 6_001, 49_152])
def test_the_largest_are_those_of_a_plain_search(size):
    generator = torch.Generator().manual_seed(size)
    values = torch.randn(7, size, generator=generator)
    values[3, 1:] = -torch.inf
    ids, best = trace._largest(values, 10)
    torch.testing.assert_close(best, values.topk(10).values)
    torch.testing.assert_close(values.gather(1, ids), best)
    assert all(len(set(row)) == 10 for row in ids.tolist())


@pytest.mark.parametrize("on_cpu", [True, False])
def test_tokens_that_are_ruled_out_add_no_entropy(on_cpu):
    block = trace._Block.__new__(trace._Block)
    block.slice_rows, block.on_cpu = 1, on_cpu
    block.names, block.index = ["a"], torch.zeros(1, 1, 1, dtype=torch.long)
    block.is_member = torch.ones(1, 1, 1, dtype=torch.bool)
    logits = torch.tensor([[0.0, 0.0, -torch.inf, -torch.inf]])
    _, _, entropy, masses = block._read(logits, 0, 2)
    assert entropy.tolist() == pytest.approx([0.6931472])
    assert masses.tolist() == [[0.5]]
