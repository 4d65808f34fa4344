"""What the measures say in planted worlds, as eight questions: `python -m benchmarks.planted [small]`.

Runs studies/planted.toml where it is not up to date (an hour and a half on two cores; `small` takes minutes and has two
seeds). A bar is what the claim behind the measure asks for; a figure that misses it is a finding, not a fault.
"""

from __future__ import annotations

import sys

import pyarrow.parquet as pq

from benchmarks import emit
from semantic_pivots.study import load_study, run_study


def main(profile: str) -> None:
    study = load_study("studies/planted.toml", profile)
    folder = run_study(study, only="planted", say=lambda line: print(line, file=sys.stderr))
    rows = pq.read_table(folder / "planted" / "planted_summary.parquet").to_pylist()
    by = {(r["world"], r["architecture"], r["measure"], r["group"]): r for r in rows}
    first = study.config.planted.architectures[0]

    def say(name: str, world: str, measure: str, group: str, unit: str, bar: float | None, claim: str, of: str = first):
        row = by.get((world, of, measure, group))
        if row is None:
            return
        holds = {
            "above": row["low"] > (bar or 0.0),
            "below": row["high"] < (bar or 0.0),
            "least": row["value"] >= (bar or 0.0),
            "covers": row["low"] <= (bar or 0.0) <= row["high"],
            "departs": not row["low"] <= (bar or 0.0) <= row["high"],
            "": None,
        }[claim]
        emit(f"{name} [{row['low']:.3g}, {row['high']:.3g}], {row['n']} seeds", row["value"], unit, bar, holds)

    say("0 P(target) of bridged pairs", "base", "P(target)", "bridged", "probability", 0.3, "least")
    for measure in ("min", "pmi", "npmi", "llr"):
        group = f"default, {measure}"
        say(f"1 discovery recall@10, {group}", "selection", "discovery recall@10", group, "share", 0.9, "least")
    say("1 discovery recall@10, paper", "selection", "discovery recall@10", "paper, min", "share", None, "")
    for rule in ("paper", "corrected"):
        for lens in ("logit", "tuned"):
            say(f"2 F1 of bridged, {rule}, {lens}", "base", f"F1 of bridged, rule {rule}", lens, "F1", None, "")
    say("3 published AUC without pivots", "null", "AUC without pivots", "raw", "AUC", 0.5, "departs")
    say(
        "3 conditioned AUC without pivots", "null", "AUC without pivots", "given final confidence", "AUC", 0.5, "covers"
    )
    out = "bridged less direct"
    change = "difference in differences"
    say("4 knock-out", "knock-out", f"{change}, knock-out", out, "probability", 0.0, "below")
    say("4 addition", "knock-out", f"{change}, pivot documents added", out, "probability", 0.0, "above")
    for control in ("random directions", "another pair's pivots"):
        measure = "suppression, bridged less direct"
        say(f"5 suppression against {control}", "base", measure, f"against {control}", "nats", 0.0, "below")
    for other in ("random", "language-matched"):
        name = f"6 pivot-rich over {other}"
        say(name, "selection", "gain of pivot-rich", f"over {other}", "probability", 0.0, "above")
    for of in study.config.planted.architectures:
        measure = "P(target), bridged less unrelated"
        say(f"7 bridged less unrelated, {of}", "base", measure, "split", "probability", 0.0, "above", of)
    for world, claim in (("hub-third", "above"), ("hub-fourth", "below")):
        measure = "log ratio of latent languages, third to fourth"
        for lens in ("logit", "tuned"):
            say(f"8 latent language, {world}, {lens}", world, measure, lens, "nats", 0.0, claim)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
