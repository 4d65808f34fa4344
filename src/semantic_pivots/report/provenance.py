"""Provenance of a study's page: its head, its stages with versions and hashes, its sources and its study file."""

from __future__ import annotations

import dataclasses
import json
from collections import defaultdict
from collections.abc import Mapping

import pyarrow as pa

from semantic_pivots.files import Record, digest
from semantic_pivots.grammar import StudyConfig
from semantic_pivots.languages import languages
from semantic_pivots.panel import Numbers, Panel
from semantic_pivots.report.html import Fact, Provenance
from semantic_pivots.report.report_stage import ReportConfig

Manifests = Mapping[str, Record]
_SHOWN_DIGITS = 12
_MONTHS = "January February March April May June July August September October November December".split()


def facts(config: ReportConfig, tables: Mapping[str, pa.Table], manifests: Manifests) -> tuple[Fact, ...]:
    """The head of the page: model, corpus, languages, date, hours, command and signature."""
    names = [languages()[code].name if code in languages() else code for code in config.languages]
    out = [Fact("Model", _model(manifests)), Fact("Corpus", _corpus(tables, manifests))]
    out.append(
        Fact("Languages", ", ".join(f"{name} ({code})" for name, code in zip(names, config.languages, strict=True)))
    )
    volatile = [m["volatile"] for m in manifests.values() if "finished" in m.get("volatile", {})]
    if volatile:
        end = max(v["finished"] for v in volatile)
        seconds = sum(v["seconds"] for v in volatile)
        out.append(Fact("Date", _day(end), end))
        out.append(Fact("Time", _duration(seconds), f"PT{seconds:.0f}S"))
    command = f"pivots run {config.name}.toml" + (f" --profile {config.profile}" if config.profile else "")
    return (*out, Fact("Command", command, clipboard_text=command), Fact("Signature", *_signature(config, manifests)))


def _day(time: str) -> str:
    year, month, day = time[:10].split("-")
    return f"{int(day)} {_MONTHS[int(month) - 1]} {year}"


def _duration(seconds: float) -> str:
    if seconds >= 3600:
        return f"{seconds / 3600:.1f} hours"
    return f"{seconds / 60:.0f} minutes ({seconds / 3600:.2f} h)" if seconds >= 90 else f"{seconds:.0f} seconds"


def _model(manifests: Manifests) -> str:
    """Name, revision and number of parameters of the measured model, as far as the stages say them."""
    for stage in ("score", "trace", "causal"):
        manifest = manifests.get(stage)
        if manifest is None:
            continue
        spec = str(manifest["config"].get("model", ""))
        specs = (manifest["notes"].get("models") or [spec])[-1]
        name, _, revision = specs.partition("@")
        size = manifest["notes"].get("parameters")
        parts = [name.rpartition(":")[2] or spec, f"revision {revision[:_SHOWN_DIGITS]}" if revision else ""]
        return ", ".join(filter(None, [*parts, f"{size / 1e6:,.0f} million parameters" if size else ""]))
    return "none was measured"


def _corpus(tables: Mapping[str, pa.Table], manifests: Manifests) -> str:
    if "shards" not in tables:
        return "none"
    shards = tables["shards"]
    documents, size = (sum(shards[name].to_pylist()) for name in ("documents", "text_bytes"))
    config = manifests.get("corpus", {}).get("config", {})
    name = config.get("recipe") or str(config.get("path", "")).rstrip("/").rpartition("/")[2]
    return f"{name + ': ' if name else ''}{documents:,} documents, {size / 1e6:,.1f} MB of text"


def _signature(config: ReportConfig, manifests: Manifests) -> tuple[str, str, str]:
    """The study's signature: shown by the digest of its results, copied in full."""
    results = digest({stage: manifest["digest"] for stage, manifest in manifests.items()})[:_SHOWN_DIGITS]
    packages = next((m["volatile"]["packages"] for m in manifests.values() if "packages" in m["volatile"]), {})
    version = packages.get("semantic-pivots", "")
    parts = [f"semantic-pivots {version}", f"study={config.name}", ",".join(config.languages), _model(manifests)]
    return results, "", "|".join([*parts, f"results={results}"])


def provenance(config: ReportConfig, tables: Mapping[str, pa.Table], manifests: Manifests) -> Provenance:
    """Stages, sources with their licences, packages and tables, and the study as a file to run again."""
    stages = tuple(
        (
            stage,
            m["version"],
            m["digest"][:_SHOWN_DIGITS],
            f"{m['volatile'].get('seconds', 0):,.1f} s",
            m["volatile"].get("finished", ""),
        )
        for stage, m in manifests.items()
    )
    panels = [
        Panel(
            "Stages",
            "Version of each stage's results, the first digits of their sha256, and when they were made.",
            Numbers(("stage", "version", "results", "took", "finished"), stages),
        )
    ]
    if "sources" in tables:
        panels.append(_sources(tables["sources"]))
    env = next((m["volatile"] for m in manifests.values() if "packages" in m["volatile"]), None)
    if env:
        rows = (("python", env["python"]), ("platform", env["platform"]), *sorted(env["packages"].items()))
        panels.append(Panel("Software", "What the first stage ran on.", Numbers(("package", "version"), rows)))
    columns = tuple((name, table.num_rows, ", ".join(table.column_names)) for name, table in tables.items())
    reading = "Each is STAGE/TABLE.parquet in the study's folder; this page's numbers are report/numbers/*.csv there."
    panels.append(Panel("Tables", reading, Numbers(("table", "rows", "columns"), columns)))
    lede = "Versions, hashes, times, sources and their licences, and the study's file."
    return Provenance(lede, tuple(panels), _toml(config, manifests))


def _sources(sources: pa.Table) -> Panel:
    of: dict[tuple[str, ...], list[dict]] = defaultdict(list)
    for row in sources.to_pylist():
        of[row["source"], row["package"], row["version"], row["licence"], row["attribution"], row["sha256"]].append(row)
    rows = tuple(
        (
            source,
            f"{package} {version}".strip(),
            sum(r["documents"] for r in totals),
            licence,
            attribution,
            sha256[:_SHOWN_DIGITS],
        )
        for (source, package, version, licence, attribution, sha256), totals in sorted(of.items())
    )
    columns = ("source", "package", "documents", "licence", "attribution", "sha256")
    return Panel("Sources and licences", "What the corpus was read from.", Numbers(columns, rows))


def _toml(config: ReportConfig, manifests: Manifests) -> str:
    """A study file that asks for the same: every key of a stage that is not the default."""
    if not manifests:
        return ""
    defaults = StudyConfig()
    lines = ["[study]", f"name = {json.dumps(config.name)}", f"stages = {json.dumps([*manifests, 'report'])}"]
    for stage, manifest in manifests.items():
        usual = dataclasses.asdict(getattr(defaults, stage))
        changes = {k: v for k, v in manifest["config"].items() if k in usual and json.dumps(usual[k]) != json.dumps(v)}
        if changes:
            lines += ["", f"[{stage}]", *(f"{key} = {json.dumps(v, ensure_ascii=False)}" for key, v in changes.items())]
    return "\n".join(lines) + "\n"
