"""The stage that labels behaviours and attributes them to co-occurrence in the corpus (METHOD §3)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from semantic_pivots import grammar, tables
from semantic_pivots.analysis.behaviour_stage import BehaviourConfig
from semantic_pivots.analysis.causal_figures import causal_figures, causal_labels
from semantic_pivots.analysis.co_occurrence import attribution
from semantic_pivots.analysis.direction_rows import ALL_DIRECTIONS, directions, figure_row
from semantic_pivots.analysis.pivot_ratio import PIVOT_RATIO, pivot_ratios
from semantic_pivots.analysis.rules import RULES, Path
from semantic_pivots.files import Record
from semantic_pivots.models.protocols import Tokenizer
from semantic_pivots.models.tokenizer_files import load_tokenizer
from semantic_pivots.models.trace import first_tokens, word_tokens
from semantic_pivots.resampling import bootstrap_means
from semantic_pivots.run import Inputs, Work
from semantic_pivots.signature import Signature, matching_rules
from semantic_pivots.statistics import SHARE, seed_of, share
from semantic_pivots.tasks.translation import Item, items_of

_QUANTITIES = ("mass_source", "mass_pivot", "mass_target", "mass_pivot_null", "entropy")


def behaviour_stage(config: BehaviourConfig, inputs: Inputs, work: Work) -> dict[str, pa.Table]:
    """Label every item, and report the association of labels with counts and scores.

    Tables `behaviour`, `attribution` and `trace_summary`.

    Raises:
        InputError: an unknown rule.
    """
    grammar.check(config)
    items = items_of(inputs.table("items"))
    tokenizer = load_tokenizer(config.model, config.cache)
    labels = label_items(items, inputs.table("trace"), tokenizer, config.rules)
    # without a corpus there are no counts and no pivots: labels of the rules that read a trace, and nothing beside them
    has_counts = inputs.has("pair_counts")
    causal = has_counts and "causal" in config.rules and inputs.has("causal_effects")
    by_cause = causal_labels(inputs.table("causal_effects")) if causal else []
    behaviour = tables.from_rows("behaviour", [*by_cause, *labels])
    settings = {"model": config.model, "seed": config.seed, "resamples": config.resamples}
    of_counts = {"words": matching_rules(inputs.table("word_counts"))} if has_counts else {}
    of_pivots = {"words": matching_rules(inputs.table("pivot_evidence"))} if inputs.has("pivot_evidence") else {}
    signature = Signature.of("behaviour", **settings, **of_counts)
    return {
        "behaviour": behaviour,
        "attribution": tables.from_rows(
            "attribution",
            [
                *(attribution(config, inputs, items, labels, signature) if has_counts else ()),
                *_barrier(inputs.table("trace"), items, tokenizer, signature),
                *(causal_figures(config, inputs, items, [*by_cause, *labels], signature) if by_cause else ()),
            ],
        ),
        "trace_summary": tables.from_rows(
            "trace_summary", _summary(config, inputs, items, Signature.of("trace", **settings, **of_pivots))
        ),
    }


def label_items(items: Iterable[Item], trace: pa.Table, tokenizer: Tokenizer, rules: Iterable[str]) -> list[Record]:
    """Rows of `behaviour`: every traced item by every one of the rules that reads a trace (table `trace`)."""
    layers: dict[tuple[str, str], list[tuple[int, int, float]]] = {}
    for row in trace.select(["item_id", "lens", "layer", "top_ids", "top_probs"]).to_pylist():
        read = (row["layer"], row["top_ids"][0], row["top_probs"][0])
        layers.setdefault((row["item_id"], row["lens"]), []).append(read)
    texts: dict[int, str] = {}
    labels = []
    by_id = {item.item_id: item for item in items}
    for (item_id, lens), rows in layers.items():
        item = by_id[item_id]
        rows.sort()
        tokens = [token for _, token, _ in rows]
        texts.update({t: tokenizer.decode([t]) for t in tokens if t not in texts})
        path = Path(
            tokens,
            [prob for _, _, prob in rows],
            frozenset(word_tokens(tokenizer, [item.source])),
            frozenset(word_tokens(tokenizer, [item.target])),
        )
        for rule in (rule for rule in rules if rule in RULES):
            labels.append(
                {
                    "item_id": item_id,
                    "rule": rule,
                    "lens": lens,
                    "label": RULES[rule](path),
                    "peak_layer": rows[path.peak][0],
                    "peak_token": tokens[path.peak],
                    "peak_text": texts[tokens[path.peak]],
                    "final_prob": path.probs[-1],
                }
            )
    return labels


def _summary(config: BehaviourConfig, inputs: Inputs, items: list[Item], signature: Signature) -> Iterable[Record]:
    """Means over items of every layer's masses, entropy and languages, per direction and pooled."""
    trace = inputs.table("trace")
    by_id = {item.item_id: item for item in items}
    ids, layers = trace["item_id"].to_pylist(), trace["layer"].to_numpy()
    lenses = np.array(trace["lens"].to_pylist())
    codes = trace["languages"][0].as_py() if trace.num_rows else []
    names = [*_QUANTITIES, "off_target_correct", *(f"mass_language:{code}" for code in codes)]
    columns = [trace[q].cast("float64").to_numpy() for q in _QUANTITIES]
    columns.append(trace["off_target_correct"].to_numpy().astype(np.float64))
    flat = trace["mass_languages"].combine_chunks().flatten().to_numpy().reshape(len(ids), len(codes))
    values = np.column_stack([*columns, flat.astype(np.float64)])
    bounds = [None if name == "entropy" else SHARE for name in names]
    concepts = np.array([by_id[i].concept_id for i in ids])
    direction_names = np.array(["-".join(by_id[i].direction) for i in ids])
    rows = []
    for lens in sorted(set(lenses)):
        for direction in directions(items):
            name = "-".join(direction)
            for layer in range(int(layers.max()) + 1):
                selection = (lenses == lens) & (layers == layer)
                if direction[0] != ALL_DIRECTIONS:
                    selection &= direction_names == name
                seed = seed_of(config.seed, "trace", lens, name, layer)
                intervals = bootstrap_means(
                    values[selection], concepts[selection], seed, min(config.resamples, 1000), bounds=bounds
                )
                for quantity, interval in zip(names, intervals, strict=True):
                    keys = {"lens": lens, "layer": layer, "quantity": quantity}
                    rows.append(figure_row(direction, interval, signature, keys))
    for direction, lens, layer, interval in pivot_ratios(trace, by_id, config.seed, min(config.resamples, 1000)):
        keys = {"lens": lens, "layer": layer, "quantity": PIVOT_RATIO}
        rows.append(figure_row(direction, interval, signature, keys))
    return rows


def _barrier(trace: pa.Table, items: list[Item], tokenizer: Tokenizer, signature: Signature) -> Iterable[Record]:
    """Of items whose last layer does not begin the target, the share that some layer begins in a further language.

    The translation loss proportion of Translation Barrier (2506.22724), for words; further languages are those of the
    benchmark that are neither the source's nor the target's.
    """
    targets = {item.item_id: first_tokens(tokenizer, [item.target]) for item in items}
    columns = ("item_id", "lens", "layer", "top_ids", "off_target_correct")
    on_top: dict[tuple[str, str], bool] = {}
    final: dict[tuple[str, str], tuple[int, int]] = {}
    for item_id, lens, layer, top, astray in zip(*(trace[c].to_pylist() for c in columns), strict=True):
        key = (lens, item_id)
        on_top[key] = on_top.get(key, False) or astray
        final[key] = max(final.get(key, (-1, -1)), (layer, top[0]))
    for lens in dict.fromkeys(lens for lens, _ in final):
        for direction in directions(items):
            failures = [
                item
                for item in items
                if (direction[0] == ALL_DIRECTIONS or item.direction == direction)
                and (lens, item.item_id) in final
                and final[lens, item.item_id][1] not in targets[item.item_id]
            ]
            interval = share([on_top[lens, i.item_id] for i in failures], [i.concept_id for i in failures])
            keys = {"rule": "none", "lens": lens, "statistic": "failures solved in a further language"}
            yield figure_row(direction, interval, signature, keys)
