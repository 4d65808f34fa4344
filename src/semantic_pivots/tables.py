"""Every Parquet table of a study, on one screen: names and columns are public interface.

A probability is natural (0 to 1), a log-probability is in nats, a count names its unit in its own column,
and lengths are in tokens or UTF-8 bytes as the name says. Layer 0 is the output of the first block.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

_text, _i32, _i64, _f32, _f64, _flag = pa.string(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.bool_()
_texts, _ints, _floats = pa.list_(pa.string()), pa.list_(pa.int32()), pa.list_(pa.float32())
# A figure with its uncertainty: value, 95 % interval, n and signature. n is the number of independent units behind it:
# concepts (of documents' figures documents, of translated sentences sentences, of planted worlds seeds), never items. Below
# ten units low and high are null, and the signature says so. An interval is that of one figure, not corrected for others.
_figure = {"value": _f64, "low": _f64, "high": _f64, "n": _i64, "signature": _text}


def _schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema(list(columns.items()))


SCHEMAS: dict[str, pa.Schema] = {
    # lexicon
    "concepts": _schema(concept_id=_text, pos=_text, strata=_texts),
    "words": _schema(concept_id=_text, language=_text, word=_text, source=_text, licence=_text),
    # benchmark: strata are tags such as "identical-spelling", "shared-script", "frequency:high"
    "items": _schema(item_id=_text, concept_id=_text, source_language=_text, target_language=_text, source=_text, target=_text, distractors=_texts, strata=_texts),
    # score: one row per item x draw x candidate source; token_logprobs are those of the answer, in nats
    "scores": _schema(item_id=_text, draw=_i32, candidate=_text, is_source=_flag, token_logprobs=_floats, n_bytes=_i32),
    # one greedy answer per item x draw: is it the target, is it a copy of the source
    "answers": _schema(item_id=_text, draw=_i32, greedy=_text, correct=_flag, copied=_flag),
    "score_summary": _schema(source_language=_text, target_language=_text, stratum=_text, variant=_text, **_figure),
    # corpus: one row per shard; its language counts are documents
    "shards": _schema(shard=_text, path=_text, language=_text, source=_text, documents=_i64, text_bytes=_i64),
    # what was read, by source and language, before any arrangement; documents have a part in the language; package, version,
    # sha256, licence and attribution where a recipe fetched it
    "sources": _schema(source=_text, language=_text, package=_text, version=_text, sha256=_text, licence=_text, attribution=_text, documents=_i64, text_bytes=_i64),
    "skipped": _schema(path=_text, reason=_text, lines=_i64, first_line=_i64),
    # corpus dedup: the documents that it removed
    "duplicates": _schema(source=_text, language=_text, documents=_i64, text_bytes=_i64),
    # tokens: one row per shard, rows in the order of its documents; column "tokens", list<int32>, of an Arrow file
    "token_shards": _schema(shard=_text, path=_text, documents=_i64, tokens=_i64),
    # count: unit is "document", "window" or "occurrence"; window is its width in tokens (0: the whole document); approx
    # is what an infini-gram index says itself of its number (null: it was not asked)
    "word_counts": _schema(word=_text, language=_text, value=_i64, unit=_text, window=_i32, exact=_flag, approx=_flag, provider=_text, rule=_text),
    "pair_counts": _schema(word_1=_text, language_1=_text, word_2=_text, language_2=_text, value=_i64, unit=_text, window=_i32, exact=_flag, approx=_flag, provider=_text, rule=_text),
    # count: the texts as which each word occurs, what may stand at their edges (docs/words.md), and where each comes from
    "forms": _schema(word=_text, language=_text, form=_text, edges=_text, source=_text),
    # discover: unit is "word" (token is null) or "token"; documents are those drawn of each word that hold the pivot, a
    # surplus a difference of document frequencies (share of documents); rank 0 is the best; q_value is the false-discovery
    # rate over all pairs (null: the paper's form); translation: the further language of which it is the concept's word;
    # cosine with the pair and the share of other pairs' pivots below it are null unless [discover] relatedness
    "pivots": _schema(item_id=_text, unit=_text, token=_i32, text=_text, rank=_i32, documents_source=_i64, documents_target=_i64, surplus_source=_f32, surplus_target=_f32, measure=_text, value=_f32, q_value=_f64, translation=_text, cosine=_f32, cosine_quantile=_f32),
    # documents hold the source, the target, or (of those drawn) both; candidates co-occur with both words, supported ones
    # pass the false-discovery rate; reason says why there is no pivot; rule: as in the counts (paper: sub-tokens)
    "pivot_evidence": _schema(item_id=_text, documents_source=_i64, documents_target=_i64, documents_both=_i64, candidates=_i64, supported=_i64, pivots=_i64, reason=_text, rule=_text),
    # trace: one row per item x layer x lens; masses are sums of probability over token sets
    # (null: the item has no pivots); the null is the mass of another item's pivots; those of languages are over tokens that
    # may begin the concept's word in one language alone; off_target_correct: the top token begins it in a further language
    "trace": _schema(item_id=_text, lens=_text, layer=_i32, top_ids=_ints, top_probs=_floats, entropy=_f32, mass_source=_f32, mass_target=_f32, mass_pivot=_f32, mass_pivot_null=_f32, languages=_texts, mass_languages=_floats, top_language=_text, off_target_correct=_flag),
    # quantities are means of the trace's columns; pivot_ratio: own pivots' mean mass over another pair's
    "trace_summary": _schema(source_language=_text, target_language=_text, lens=_text, layer=_i32, quantity=_text, **_figure),
    # behaviour: of the rule `causal` lens is "none" and the peak is null
    "behaviour": _schema(item_id=_text, rule=_text, lens=_text, label=_text, peak_layer=_i32, peak_token=_i32, peak_text=_text, final_prob=_f32),
    "attribution": _schema(source_language=_text, target_language=_text, rule=_text, lens=_text, statistic=_text, **_figure),
    # causal: log P(answer) in nats; told is what the source word tells of the answer; each effect (nats) is less the mean of
    # its control sets, low and high less the ends of the range that holds 95 % of them, p by permutation among the sets;
    # null: not measured (no control sets, or the model's answer is not the target)
    "causal_effects": _schema(item_id=_text, pivots=_texts, control_sets=_i32, logprob=_f64, answered=_flag, told=_f64, link=_f64, link_low=_f64, link_high=_f64, link_p=_f64, need=_f64, need_low=_f64, need_high=_f64, need_p=_f64, screen=_f64, screen_low=_f64, screen_high=_f64, screen_p=_f64),
    # intervene: log P(answer) in nats without the intervention, and its change; a summary's control is empty for the change
    # itself, else the change less that of the control; a group is "all" or "RULE: LABEL"
    "effects": _schema(item_id=_text, intervention=_text, before=_f64, change=_f64),
    "effect_summary": _schema(source_language=_text, target_language=_text, group=_text, intervention=_text, control=_text, **_figure),
    # graph and select
    # graph: unit is "word" (token is null) or "token"; neighbours are texts of units, the strongest first
    "pivot_set": _schema(unit=_text, token=_i32, text=_text, documents=_i64, degree=_i64, expected_degree=_f64, strength=_f64, q_value=_f64, languages=_texts, neighbours=_texts),
    # overlap (intersection over union) and share recovered of the whole corpus's set, by samples of documents
    "pivot_stability": _schema(sample=_text, share=_f64, draw=_i32, pivots=_i64, overlap=_f64, recovered=_f64),
    "doc_scores": _schema(shard=_text, row=_i64, doc_id=_text, language=_text, n_tokens=_i32, units=_i32, pivot_units=_i32, languages_met=_i32, lexicon_words=_i32, dominant_words=_i32, concepts=_i32, parallel_concepts=_i32, holds_pair=_flag, dsir=_f64),
    "selection": _schema(selection=_text, shard=_text, row=_i64, doc_id=_text, language=_text, n_tokens=_i32, score=_f64),
    # train and compare: loss is the mean over the step's tokens, in nats; bits per byte of held-out documents by language
    # where they were measured (the last step); speed and memory differ between runs and stand in the manifest
    "training_log": _schema(arm=_text, seed=_i32, step=_i32, tokens=_i64, loss=_f64, learning_rate=_f64, gradient_norm=_f64, languages=_texts, bits_per_byte=pa.list_(_f64)),
    "comparison": _schema(source_language=_text, target_language=_text, arm=_text, baseline=_text, stratum=_text, variant=_text, **_figure, verdict=_text),
    # gains over each control, mean of directions: one row per arm, baseline and stratum, and one with an empty baseline
    # that concludes; detectable is a gain seen with 80 % power, needed the times as many concepts and runs that would show the
    # measured one, needed_concepts and needed_runs the times of either alone (infinite: never)
    "verdict": _schema(arm=_text, baseline=_text, stratum=_text, variant=_text, **_figure, runs=_i32, detectable=_f64, needed=_f64, needed_concepts=_f64, needed_runs=_f64, verdict=_text),
    # planted: one row per run (world, architecture, seed) and figure; the summary's n counts seeds; a note says why a
    # figure is missing; the truth's documents are those of each word
    "planted_runs": _schema(world=_text, architecture=_text, seed=_i32, measure=_text, group=_text, value=_f64, note=_text),
    "planted_truth": pa.schema([*_schema(world=_text, seed=_i32, concept_id=_text), ("class", _text), *_schema(source=_text, target=_text, pivots=_texts, documents=_i64)]),
    "planted_summary": _schema(world=_text, architecture=_text, measure=_text, group=_text, **_figure, note=_text),
    # natural: one row per model, concept and direction; arm is the model of the Latin square, the arrangement or the
    # selection; condition is empty outside masking; logprob, specificity in nats; chosen: the share of ten that is right
    # (ties count by parts); masked: tokens of the concept's windows that were changed
    "natural_concepts": _schema(part=_text, seed=_i32, arm=_text, concept_id=_text, half=_text, source_language=_text, target_language=_text, condition=_text, cluster=_i32, pivots=_i32, windows_source=_i64, windows_target=_i64, masked=_i64, logprob=_f64, specificity=_f64, chosen=_f64, rank=_f64, rank_by_counts=_f64, link=_f64, need=_f64),
    # what each model was trained on: tokens, shares, loss
    "natural_models": _schema(part=_text, seed=_i32, arm=_text, figure=_text, value=_f64),
    # n counts clusters of concepts; detectable is an effect seen with 80 % power; a conclusion has no value
    "natural_summary": _schema(part=_text, measure=_text, group=_text, **_figure, p_value=_f64, detectable=_f64, conclusion=_text),
}  # fmt: skip


def conform(name: str, table: pa.Table) -> pa.Table:
    """The table with exactly the columns, order and types of its schema.

    Raises:
        KeyError: the name is not a table of a study.
        ValueError: a column is missing or unknown, or its values do not fit the type.
    """
    schema = SCHEMAS[name]
    if set(table.column_names) != set(schema.names):
        missing, unknown = set(schema.names) - set(table.column_names), set(table.column_names) - set(schema.names)
        raise ValueError(f"table {name}: missing columns {sorted(missing)}, unknown columns {sorted(unknown)}")
    return table.select(schema.names).cast(schema)


def from_rows(name: str, rows: Iterable[dict]) -> pa.Table:
    """Build a table of a study from one dict per row."""
    return pa.Table.from_pylist(list(rows), schema=SCHEMAS[name])
