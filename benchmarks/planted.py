"""What the measures say in planted worlds, as nine questions: `python -m benchmarks.planted`.

Arguments: a profile of the study, or a CSV file of finished runs such as docs/results/planted_runs.csv, which is only
read; then the folder of runs. Without the file studies/planted.toml is run where it is not up to date: an hour and a
quarter on two cores (the profile `small`: minutes, two seeds; `causal`: link and need in four architectures, with the
profiles whose names begin so, an hour and a half). A bar is what the claim behind the measure asks for; a figure that
misses it is a finding, not a fault.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
from pyarrow import csv

from benchmarks import emit
from semantic_pivots import tables
from semantic_pivots.files import Record
from semantic_pivots.planted.seed_summary import summary
from semantic_pivots.statistics import of_row
from semantic_pivots.study import load_study, run_study

STUDY = Path("studies/planted.toml")


def main(profile: str = "", runs: str = "runs") -> None:
    if profile.endswith(".csv"):
        study = load_study(STUDY)
        # a figure that is no number is "nan", which would be read as null
        options = csv.ConvertOptions(column_types=tables.SCHEMAS["planted_runs"], null_values=[])
        read = csv.read_csv(profile, convert_options=options)
        of_seeds = summary(read, study.config.planted)
        architectures = dict.fromkeys(read["architecture"].to_pylist())
        emit_figures(read.to_pylist(), of_seeds, list(architectures))
        return
    for name in tomllib.loads(STUDY.read_text("utf-8"))["profile"]:
        if name.startswith(f"{profile}-"):
            main(name, runs)
    study = load_study(STUDY, profile)
    folder = run_study(study, Path(runs), "planted", say=lambda line: print(line, file=sys.stderr)) / "planted"
    names = ("planted_runs", "planted_summary")
    rows, of_seeds = (pq.read_table(folder / f"{name}.parquet").to_pylist() for name in names)
    emit_figures(rows, of_seeds, study.config.planted.architectures)


def emit_figures(every: list[Record], rows: list[Record], architectures: Sequence[str]) -> None:
    """Print all figures of runs that are there.

    Args:
        every: rows of `planted_runs`.
        rows: rows of `planted_summary`.
        architectures: those of the runs; figures of a single one are of the first.
    """
    by = {(r["world"], r["architecture"], r["measure"], r["group"]): r for r in rows}
    first = architectures[0]

    def say(name: str, world: str, measure: str, group: str, unit: str, bar: float | None, claim: str, of: str = first):
        row = by.get((world, of, measure, group))
        if row is None:
            return
        if row["note"]:
            name += f" ({row['note']})"
        figure = of_row(row)
        holds = {
            "above": figure.low > (bar or 0.0),
            "below": figure.high < (bar or 0.0),
            "least": figure.value >= (bar or 0.0),
            "covers": figure.low <= (bar or 0.0) <= figure.high,
            "departs": figure.excludes(bar or 0.0),
            "most": figure.value <= (bar or 0.0),
            "near half": abs(figure.value - 0.5) <= (bar or 0.0),
            "": None,
        }[claim]
        emit(f"{name} [{figure.low:.3g}, {figure.high:.3g}], {figure.n} seeds", figure.value, unit, bar, holds)

    say("0 P(target) of bridged pairs", "base", "P(target)", "bridged", "probability", 0.3, "least")
    mine = [r for r in every if (r["world"], r["architecture"], r["measure"]) == ("base", first, "P(target)")]
    reached = sum(r["value"] >= 0.3 for r in mine if r["group"] == "bridged")
    if mine:
        emit("0 seeds with P(target) of bridged pairs of at least 0.3", reached, "seeds", 4, reached >= 4)
    for world in ("base", "hard"):
        for form in ("default, tversky", "default, min", "default, pmi", "default, npmi", "default, llr", "paper, min"):
            for measure in ("discovery recall@2", "discovery precision"):
                bar = 0.9 if (world, measure) == ("base", "discovery recall@2") else None
                say(f"1 {measure}, {world}, {form}", world, measure, form, "share", bar, "least" if bar else "")
    for world in ("base", "matched"):
        for lens in ("logit", "tuned"):
            chance = by.get((world, first, "F1 of labelling every pair a pivot's", "chance"))
            bar = chance["value"] if chance else None
            say(
                f"2 F1 of bridged, paper, {lens}, {world}", world, "F1 of bridged, rule paper", lens, "F1", bar, "above"
            )
            measure = "AUC of the contexts' mass, bridged against direct without pivots"
            say(f"2 AUC of the contexts' mass, {lens}, {world}", world, measure, lens, "AUC", 0.5, "above")
        measure = "AUC of counts alone, of those read"
        say(f"2 {measure}, {world}", world, measure, "direct without pivots", "AUC", 0.5, "covers")
    chance = by.get(("base", first, "context words retrieved by a probe", "chance"))
    say(
        "2 context words of bridged pairs retrieved by a probe",
        "base",
        "context words retrieved by a probe",
        "bridged",
        "share",
        chance["value"] if chance else None,
        "above",
    )
    auc = "AUC without pivots"
    say("3 published AUC without pivots", "null", auc, "raw", "AUC", 0.5, "departs")
    say("3 conditioned AUC without pivots", "null", auc, "given final confidence", "AUC", 0.5, "covers")
    say("3 raw less conditioned", "null", auc, "raw less given final confidence", "AUC", 0.0, "above")
    out = "bridged less direct with pivots"
    change = "difference in differences"
    say("4 knock-out", "knock-out", f"{change}, knock-out", out, "probability", 0.0, "below")
    say("4 addition", "knock-out", f"{change}, pivot documents added", out, "probability", 0.0, "above")
    say("4 knock-out in nats", "knock-out", f"{change} in nats, knock-out", out, "nats", 0.0, "below")
    say("4 addition in nats", "knock-out", f"{change} in nats, pivot documents added", out, "nats", 0.0, "above")
    for control in ("random directions", "another pair's pivots"):
        measure = "suppression, bridged less direct"
        say(f"5 suppression against {control}", "base", measure, f"against {control}", "nats", 0.0, "below")
    for other in ("random", "language-matched"):
        name = f"6 pivot-rich over {other}"
        say(name, "selection", "gain of pivot-rich", f"over {other}", "probability", 0.0, "above")
    for of in architectures:
        measure = "P(target), bridged less unrelated"
        say(f"7 bridged less unrelated, {of}", "base", measure, "split", "probability", 0.0, "above", of)
    for lens in ("logit", "tuned"):
        measure = "latent language follows the hub"
        say(f"8 {measure}, {lens}", "hub-third", measure, f"{lens}, asked less control", "nats", 0.0, "above")
        for world in ("hub-third", "hub-fourth"):
            measure = "rank of the own word, hub less other"
            say(f"8 {measure}, {world}, {lens}", world, measure, lens, "share", 0.0, "above")
    for of in architectures:
        for figure in causal_figures(of):
            say(*figure, of)


def causal_figures(of: str) -> list[tuple[str, str, str, str, str, float | None, str]]:
    """Question 9 for one architecture: name, world, measure, group, unit, bar and what the bar asks."""
    clean, unrelated = "bridged against direct without pivots", "bridged against unrelated"
    false = "labelled bridged", "direct without pivots, answered"
    asked: list[tuple[str, str, str, str, float | None, str]] = [
        ("matched", "AUC of link + need", clean, "AUC", 0.97, "least"),
        ("matched", "AUC of link + need", unrelated, "AUC", 0.95, "least"),
        ("matched", "F1 of bridged, rule causal", clean, "F1", 0.88, "least"),
        ("matched-null", *false, "share", 0.05, "most"),
        ("matched", *false, "share", None, ""),
        ("matched", "AUC of link", clean, "AUC", None, ""),
        ("matched", "AUC of need", clean, "AUC", None, ""),
        ("matched", "AUC of gradient × part", clean, "AUC", None, ""),
        ("matched", "gradient × part and need", "Spearman's r", "r", None, ""),
        ("matched", "gradient × part and need", "kappa", "kappa", None, ""),
        ("matched", "forward passes an item", "link and need", "passes", 60, "most"),
        ("matched", "AUC of counts alone", clean, "AUC", 0.05, "near half"),
        ("matched", "AUC of counts alone", unrelated, "AUC", 0.05, "near half"),
        ("matched", "AUC of counts alone, answered", clean, "AUC", 0.05, "near half"),
        ("matched", "answered", "bridged", "share", None, ""),
        ("matched-null", "answered", "direct without pivots", "share", None, ""),
    ]
    agreement = "AUC of the contexts' mass for bridged by causal"
    asked += [("matched", agreement, lens, "AUC", None, "") for lens in ("logit", "tuned", "jacobian")]
    return [(f"9 {m}, {g}, {w}, {of}", w, m, g, unit, bar, claim) for w, m, g, unit, bar, claim in asked]


if __name__ == "__main__":
    main(*sys.argv[1:3])
