"""The page of `pivots corpus report`: what a corpus holds and what a study on it can tell, from one dictionary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from semantic_pivots.files import Record
from semantic_pivots.panel import Numbers, Panel, bars
from semantic_pivots.report import html
from semantic_pivots.report.html import Answer, Fact, Provenance, Section

_ROWS = 40


def page(record: Record, name: str) -> str:
    """The page as one string; `record` is what the command writes as JSON."""
    sections = [_languages(record), _duplicates(record), _sources(record), _words(record), _prospects(record)]
    made_with = Numbers(
        ("what", "value"), tuple((key.replace("_", " "), str(value)) for key, value in record["made_with"].items())
    )
    facts = (
        Fact("Documents", f"{record['documents']:,} in {record['shards']} shards"),
        Fact("Text", f"{record['text_bytes'] / 1e6:,.1f} MB"),
    )
    provenance = Provenance("What this page was made from.", (Panel("Made with", "", made_with),))
    return html.render(f"Corpus {name}", facts, _answers(record), None, sections, provenance)


def summary(facts: Record) -> list[str]:
    """The page's answers as lines for a terminal."""
    return [sentence for answer in _answers(facts) for sentence in answer.sentences]


def _answers(facts: Record) -> list[Answer]:
    ranking = ", ".join(f"{row['language'] or 'none'} {row['share']:.1%}" for row in facts["languages"][:6])
    mixed_count = sum(row["documents"] for row in facts["mixed_documents"])
    languages = [f"Documents by language: {ranking}.", f"{mixed_count:,} documents have parts in several languages."]
    if unknown := [row for row in facts["languages"] if row["name"] == "unknown label"]:
        share = sum(row["share"] for row in unknown)
        languages.append(f"{share:.2%} of the documents have a language label that is not known.")
    duplicates = facts["duplicates"]
    licences = sorted({row["licence"] for row in facts["sources"] if row["licence"]})
    untold = sum(row["documents"] for row in facts["sources"] if not row["licence"])
    sources = [f"{len(facts['sources'])} sources; licences: {', '.join(licences) or 'none stated'}."]
    if untold and licences:
        sources.append(f"{untold:,} documents are of sources whose licence the corpus does not state.")
    return [
        Answer("What is in it?", tuple(languages)),
        Answer("How much of it is there twice?", tuple(_twice(duplicates, facts["documents"]))),
        Answer("Where is it from?", tuple(sources)),
        Answer("What can a study on it tell?", tuple(_tell(facts))),
    ]


def _twice(duplicates: dict[str, dict], documents: int) -> list[str]:
    names = {"text": "by text (white space aside)", "id": "by id"}
    sentences = []
    for key, name in names.items():
        copies, groups = duplicates[key]["documents"], duplicates[key]["groups"]
        sentences.append(
            f"{copies:,} documents ({copies / documents:.2%}) repeat an earlier one {name}, in {groups:,} groups."
        )
    return sentences


def _tell(facts: Record) -> list[str]:
    prospects = facts["prospects"]
    if prospects is None:
        return ["The lexicon has no two languages of this corpus, so words were not counted."]
    concepts = prospects["concepts"]
    names = ", ".join(prospects["languages"])
    lines = [
        f"Of {concepts['asked']:,} concepts with a word in each of {names}, {concepts['in_10']:,} have all their words "
        "in at least 10 documents."
    ]
    for row in prospects["pairs"][:3]:
        limit = "too few meet, or too few never do, for any attribution to be seen."
        if row["detectable_auc"]:
            limit = f"attribution would see an AUC from {row['detectable_auc']:.2f} on."
        pair = "–".join(row["languages"])
        lines.append(f"{pair}: {row['meet']:,} of {row['pairs']:,} pairs meet in a document; {limit}")
    return lines


def _languages(facts: Record) -> Section:
    rows = facts["languages"]
    confidence = facts["mean_confidence"]
    count = sum(row["documents"] for row in facts["identified"])
    note = "All languages are the corpus's own labels."
    if count:
        note = f"{count:,} languages were identified, with a mean confidence of {confidence:.2f}."
    parts = "Documents in a language, or with a part in it: shares of mixed documents add up to more than one. "
    scripts = "Documents by the scripts of which two letters stand together; Latin letters beside another script are "
    panels = [
        Panel(
            "Language mix",
            parts + note,
            _numbers(rows, ("language", "name", "documents", "share", "text_bytes")),
            bars([(row["language"] or "none", row["documents"]) for row in rows[:_ROWS]], "documents"),
        ),
        Panel(
            "Scripts",
            scripts + "where one language can be a hub for another.",
            _numbers(facts["scripts"], ("scripts", "documents", "share")),
        ),
    ]
    if facts["mixed_documents"]:
        reading = "Documents with parts in several languages, as the corpus's rows say."
        columns = ("languages", "documents", "share")
        panels.insert(1, Panel("Mixed documents", reading, _numbers(facts["mixed_documents"], columns)))
    return Section("languages", "Languages", "Which languages and scripts the documents are in.", tuple(panels))


def _duplicates(facts: Record) -> Section:
    rows = [{"by": key, **value} for key, value in facts["duplicates"].items()]
    reading = "Documents beyond the first of each group. Documents that are nearly the same are not looked for."
    numbers = _numbers(rows, ("by", "documents", "groups", "largest_group"))
    return Section(
        "duplicates", "Duplicates", "Documents that are there twice.", (Panel("Duplicates", reading, numbers),)
    )


def _sources(facts: Record) -> Section:
    columns = ("source", "documents", "text_bytes", "licence", "package", "attribution")
    reading = "As the column `source` says; licences where a recipe states them."
    panel = Panel("Sources and licences", reading, _numbers(facts["sources"], columns))
    return Section("sources", "Sources", "Where the documents come from, and under which licence.", (panel,))


def _words(facts: Record) -> Section:
    lede = "How much of a lexicon the documents reach. Counts are exact numbers of documents."
    if facts["prospects"] is None:
        return Section("words", "Words", lede, missing="The lexicon has no two languages of this corpus.")
    columns = ("language", "asked", "in_1", "in_10", "in_50")
    rows = [*facts["prospects"]["words"], facts["prospects"]["concepts"]]
    reading = (
        f"Words of the lexicon {facts['prospects']['lexicon']} in at least 1, 10 and 50 documents; in the last row "
        f"concepts whose words in all of these languages are. Matched by the rule {facts['prospects']['rule']}."
    )
    return Section("words", "Words", lede, (Panel("Words reached", reading, _numbers(rows, columns)),))


def _prospects(facts: Record) -> Section:
    lede = (
        "Which pairs meet in a document, and the least effect that a study would see at the 5 % level in 4 of 5 cases."
    )
    if facts["prospects"] is None:
        return Section("pairs", "Prospects", lede, missing="Words were not counted.")
    rows = facts["prospects"]["pairs"]
    reading = (
        "A pair that never meets counts only where each of its words is in at least 10 documents. Detectable: the "
        "least AUC of a figure that tells pairs that meet from pairs that never do, and the least difference of their "
        "shares of right choices; empty where no size of effect would be seen."
    )
    columns = tuple(rows[0]) if rows else ("languages",)
    return Section("pairs", "Prospects", lede, (Panel("Pairs that meet", reading, _numbers(rows, columns), wide=True),))


def _numbers(rows: Sequence[Record], columns: Sequence[str]) -> Numbers:
    def cell(value: object) -> Any:
        return "–".join(value) if isinstance(value, list) else value

    names = tuple(column.replace("_", " ") for column in columns)
    return Numbers(names, tuple(tuple(cell(row[column]) for column in columns) for row in rows))
