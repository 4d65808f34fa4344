"""The command line: it parses, makes a dataclass, and calls a function. Nothing is computed here."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from semantic_pivots.caching import prepare_process
from semantic_pivots.commands import (
    benchmark,
    compare,
    corpus,
    corpus_count,
    corpus_pivots,
    explain,
    explore,
    harness_export,
    lens_fit,
    lexicon,
    null,
    score,
    tasks,
    training,
)
from semantic_pivots.commands.options import Writer
from semantic_pivots.commands.records import Format, show
from semantic_pivots.errors import InputError
from semantic_pivots.ranks import UnfinishedRanks

app = typer.Typer(
    help="Measure, explain and improve how language models carry meaning across languages.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(show: bool) -> None:
    if show:
        from importlib.metadata import version

        typer.echo(f"semantic-pivots {version('semantic-pivots')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="print the version and end")
    ] = False,
) -> None:
    """Measure, explain and improve how language models carry meaning across languages."""


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# A file where a folder is wanted, or the other way round; no right to write; no room.
_UNWRITABLE = (
    *(errno.EEXIST, errno.ENOTDIR, errno.EISDIR),
    *(errno.EACCES, errno.EPERM, errno.EROFS),
    *(*_FULL, errno.ENAMETOOLONG),
)
StudyFile = Annotated[Path, typer.Argument(help="study file (TOML), such as studies/demo.toml", show_default=False)]
Runs = Annotated[Path, typer.Option(help="folder that holds the results of studies")]
Profile = Annotated[str, typer.Option(help="run the study with the overriding sections of [profile.NAME]")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="a key that overrides the file's: SECTION.KEY=VALUE; repeatable")
]


@app.command()
def run(
    study: StudyFile,
    runs: Runs = Path("runs"),
    profile: Profile = "",
    only: Annotated[str, typer.Option(help="run just this stage")] = "",
    force: Annotated[str, typer.Option(help="run this stage again although nothing changed")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="check all of it and tell what each stage takes")] = False,
    one_step: Annotated[
        bool, typer.Option("--one-step", help="the same, and one step of training on a random model of its shape")
    ] = False,
    overrides: Overrides = None,
) -> None:
    """Run the stages of a study that are not up to date; a run that was killed continues where it stopped."""
    from semantic_pivots.commands import preflight
    from semantic_pivots.study import draft_study, run_study

    plan = preflight.check(draft_study(study, profile, overrides or ()), only, force)
    costs = preflight.costs_of(plan, runs, only)
    if dry_run or one_step:
        show(preflight.records(costs), "table")
        if "train" in plan.stages:
            from semantic_pivots.training import estimate

            for line in estimate.lines(plan.config):
                typer.echo(line)
            if one_step:
                typer.echo(estimate.one_step(plan.config.train))
        return
    if costs:
        typer.echo(preflight.sentence(costs), err=True)
    folder = run_study(plan, runs, only, force, say=lambda line: typer.echo(line, err=True))
    report = folder / "report" / "report.html"
    if report.exists() and not only:
        link = folder / "report.html"
        if not link.exists():
            os.symlink(Path("report") / "report.html", link)
        from semantic_pivots.report.summary import print_summary

        print_summary(folder)
        typer.echo(str(link))


@app.command()
def status(study: StudyFile, runs: Runs = Path("runs"), profile: Profile = "", format: Format = "table") -> None:
    """Tell of each stage of a study whether it is done, interrupted, changed or waiting."""
    from semantic_pivots.run import read_manifest
    from semantic_pivots.study import load_study, state

    plan = load_study(study, profile)
    folder = runs / plan.name
    records = []
    for name, value in state(plan, folder).items():
        manifest = read_manifest(folder / name) if value == "done" else None
        seconds = manifest["volatile"]["seconds"] if manifest else None
        records.append({"stage": name, "state": value, "seconds": seconds, "what": plan.stages[name].says})
    if format != "table":
        show(records, format)
        return
    for record in records:
        seconds = " " * 10 if record["seconds"] is None else f"{record['seconds']:8,.1f} s"
        typer.echo(f"{record['stage']:10} {record['state']:8} {seconds}  {record['what']}")


@app.command()
def doctor(
    study: Annotated[Path | None, typer.Argument(help="study file: what it needs; none: what the demo needs")] = None,
    model: Annotated[str, typer.Option(help="model whose lens is checked; none: the study's")] = "",
    profile: Profile = "",
    runs: Runs = Path("runs"),
    format: Format = "table",
) -> None:
    """Check this machine for what a study needs; one line each, and what to do where one fails."""
    from semantic_pivots.commands import doctor as room
    from semantic_pivots.study import draft_study

    checks = room.of_study(draft_study(study, profile), runs, model) if study else room.checks(model)
    records = []
    for name, (holds, value, advice) in checks:
        records.append({"check": name, "holds": holds, "found": value, "advice": "" if holds else advice})
        if format == "table":
            typer.echo(f"{'ok  ' if holds else 'FAIL'} {name:9} {value}" + ("" if holds else f"; {advice}"))
    if format != "table":
        show(records, format)
    has_failure = any(not record["holds"] for record in records)
    raise typer.Exit(1 if has_failure else 0)


@app.command()
def keys(section: Annotated[str, typer.Argument(help="one section; none: all", show_default=False)] = "") -> None:
    """Print every key of a study file with its default and its manual, as TOML."""
    from semantic_pivots.commands.keys import manual

    for line in manual(section):
        typer.echo(line)


@app.command()
def merge(
    out: Annotated[Path, typer.Argument(help="folder that the ranks of a command write (its --out)")],
) -> None:
    """Put together what the ranks of a command have made; names a rank that has not finished."""
    from semantic_pivots.ranks import merging

    with merging(out) as arguments:
        command()(arguments, standalone_mode=False)


@app.command()
def planted(
    study: StudyFile = Path("studies/planted.toml"),
    runs: Runs = Path("runs"),
    profile: Profile = "",
    write: Annotated[str, typer.Option(help="folder: write the base world's documents, words and truth, and end")] = "",
) -> None:
    """Run a study of planted worlds and print the figures of each measure against the known truth."""
    from semantic_pivots.report.summary import print_summary
    from semantic_pivots.study import load_study, run_study

    plan = load_study(study, profile)
    if write:
        from semantic_pivots.planted import world_runs as room
        from semantic_pivots.planted.worlds import generate
        from semantic_pivots.planted.worlds import write as write_world

        config = plan.config.planted
        write_world(generate(room.world_of(config, config.seed)), Path(write))
        typer.echo(f"{write}: documents.jsonl, words.tsv, truth.jsonl")
        return
    print_summary(run_study(plan, runs, "planted", say=lambda line: typer.echo(line, err=True)))


@app.command()
def natural(study: StudyFile = Path("studies/natural.toml"), runs: Runs = Path("runs"), profile: Profile = "") -> None:
    """Run a study of natural worlds and print whether pivots carry words across languages."""
    from semantic_pivots.report.summary import print_summary
    from semantic_pivots.study import load_study, run_study

    plan = load_study(study, profile)
    plan.check_stage("natural")
    print_summary(run_study(plan, runs, say=lambda line: typer.echo(line, err=True)))


app.command()(explain.explain)
app.command()(explore.explore)
app.command()(corpus_count.count)
app.command()(corpus_pivots.discover)
app.command()(corpus_pivots.graph)
app.command()(corpus_pivots.select)
app.command(cls=Writer)(training.train)
app.command(cls=Writer)(score.score)
app.command()(compare.compare)
app.command()(null.null)
app.add_typer(lexicon.app, name="lexicon")
app.add_typer(lens_fit.app, name="lens")
app.add_typer(benchmark.app, name="benchmark")
app.add_typer(tasks.app, name="tasks")
app.add_typer(corpus.app, name="corpus")
app.add_typer(harness_export.app, name="export")


def command() -> Any:
    """The command `pivots`, square brackets in its help kept from being read as markup."""
    root = typer.main.get_command(app)
    commands = [root]
    for parent in commands:
        commands += getattr(parent, "commands", {}).values()
        for parameter in (parent, *parent.params):
            parameter.help = escape(parameter.help) if getattr(parameter, "help", None) else None  # type: ignore
    return root


def main() -> None:
    """Entry point of `pivots`: an error meant for people is one line and exit code 2."""
    prepare_process()
    try:
        command()(standalone_mode=True)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except UnfinishedRanks as notice:
        print(notice)
    except RuntimeError as error:
        if "cannot cache function" not in str(error):  # numba's
            raise
        print("error: no folder to keep compiled functions in: set NUMBA_CACHE_DIR to a writable one", file=sys.stderr)
        raise SystemExit(2) from None
    except OSError as error:
        if error.errno in _FULL and not error.filename:
            print(f"error: {error.strerror} while writing: free space there and run again", file=sys.stderr)
            raise SystemExit(2) from None
        if error.errno not in _UNWRITABLE or not error.filename:
            raise
        place = Path(error.filename)
        reason = f"{place}: {error.strerror}"
        if error.errno in (errno.EEXIST, errno.ENOTDIR):
            file = next(path for path in (place, *place.parents) if path.exists())
            reason = f"{file}: a file, where a folder is needed"
        print(f"error: {reason}; name another place to write to", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
