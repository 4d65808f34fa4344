"""The stage `benchmark`: items of the study's task, word translation unless `[benchmark] task` names another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from semantic_pivots import grammar
from semantic_pivots.errors import InputError
from semantic_pivots.tasks.benchmark_stage import BenchmarkConfig
from semantic_pivots.tasks.pattern import WORD_TRANSLATION

if TYPE_CHECKING:
    import pyarrow as pa

    from semantic_pivots.run import Inputs, Work


def benchmark_stage(config: BenchmarkConfig, inputs: Inputs, work: Work) -> dict[str, pa.Table]:
    """Make the items of the benchmark (table `items`)."""
    grammar.check(config)
    if config.task == WORD_TRANSLATION:
        from semantic_pivots.tasks import word_items

        if not config.min_documents:
            return word_items.benchmark_stage(config, inputs, work)
        return word_items.benchmark_stage(config, inputs, work, lambda words: frequent(words, config, inputs, work))
    from semantic_pivots.tables import from_rows
    from semantic_pivots.tasks import questions

    rows = questions.items(config, inputs.table("words"))
    work.note("items", len(rows))
    return {"items": from_rows("items", rows)}


def frequent(words: dict[str, dict[str, str]], config: BenchmarkConfig, inputs: Inputs, work: Work) -> list[str]:
    """The concepts each of whose words occurs, by the rule, in `min_documents` of the study's corpus, in their order.

    Raises:
        InputError: the study has no corpus, or no concept is so frequent.
    """
    least = config.min_documents
    if not inputs.has("shards"):
        raise InputError(f"[benchmark] min_documents = {least}: the study has no stage corpus to count them in; add it")
    from semantic_pivots.counting.counts import corpus_shards, count_shards
    from semantic_pivots.wordforms.table import rule_of

    spellings = sorted({(word, code) for by_code in words.values() for code, word in by_code.items()})
    rule = rule_of(config.words, config.forms_path, spellings)
    _, counts, _ = count_shards(corpus_shards(inputs), spellings, (), work, rule=rule)
    documents = dict(zip(spellings, counts.tolist(), strict=True))
    concepts = [
        concept
        for concept, by_code in words.items()
        if all(documents[word, code] >= least for code, word in by_code.items())
    ]
    work.note("frequent_concepts", len(concepts))
    if not concepts:
        raise InputError(
            f"[benchmark] min_documents = {least}: no concept of {len(words)} has words that all occur in so many "
            "documents; lower it, or name another corpus"
        )
    return concepts
