"""`pivots lexicon ...`: derive the lexicons that ship, from the packages they come from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Build lexicons from dictionaries.", no_args_is_help=True)


@app.command()
def derive(
    package: Annotated[Path, typer.Argument(help="unpacked npm package cldr-annotations-full")],
    out: Annotated[Path, typer.Option(help="TSV file to write; the files of hand-made choices are read beside it")],
    wide: Annotated[
        bool, typer.Option(help="every language that CLDR names 250 pictures in; cldr.tsv is read beside it")
    ] = False,
) -> None:
    """Derive the everyday lexicon from CLDR's emoji names, in seven languages or in all."""
    from semantic_pivots.errors import InputError
    from semantic_pivots.lexicon import cldr, cldr_wide
    from semantic_pivots.lexicon.concepts import read_lexicon

    for name in ("cldr_choices.txt", "cldr_excluded.txt"):
        if not (out.parent / name).exists():
            raise InputError(f"{out.parent / name} is missing: write to a folder that has it (it may be empty)")
    if wide:
        everyday = read_lexicon(out.with_name("cldr.tsv"), cldr.LANGUAGES)
        rows = cldr_wide.derive(package, everyday, cldr.excluded_names(out.parent))
        cldr_wide.write(rows, out)
        typer.echo(f"{out}: {len(rows)} concepts, {len(rows[0]) - 2} languages")
        return
    rows, rejects = cldr.derive(package, out.parent)
    if rejects:
        raise InputError(f"cldr_choices.txt: CLDR does not offer {'; '.join(rejects)}: choose one of its words")
    cldr.write(rows, out)
    typer.echo(f"{out}: {len(rows)} concepts")


@app.command()
def build(
    packages: Annotated[Path, typer.Argument(help="folder of the unpacked dictionaries (docs/dictionaries.md)")],
    out: Annotated[Path, typer.Option(help="TSV file to write; clwtd_excluded.txt is read beside it")],
    further: Annotated[
        list[str] | None, typer.Option(help="a dictionary of your own, KIND:FIRST-SECOND:FILE[:LICENCE]; repeatable")
    ] = None,
) -> None:
    """Join dictionaries into CLWTD-open: one word per language, all in one sense."""
    from semantic_pivots.errors import InputError
    from semantic_pivots.lexicon import clwtd, near_words
    from semantic_pivots.lexicon.concepts import lexicon_path, read_lexicon
    from semantic_pivots.lexicon.dictionaries import dictionary

    path = out.parent / "clwtd_excluded.txt"
    if not path.exists():
        raise InputError(f"{path} is missing: write to a folder that has it (it may be empty)")
    exclusions = clwtd.read_excluded(path)
    everyday = read_lexicon(lexicon_path("cldr"), clwtd.CORE)
    pictures = read_lexicon(lexicon_path("cldr-wide"), clwtd.LANGUAGES)
    dictionaries = [dictionary(spec) for spec in further or ()]
    rows, neighbours = clwtd.build(
        packages, exclusions, dictionaries=dictionaries, everyday=everyday, pictures=pictures
    )
    clwtd.write(rows, out)
    near_words.write(neighbours, clwtd.LANGUAGES, near_words.neighbours_path(out))
    counts = {code: sum(bool(row[code]) for row in rows) for code in clwtd.LANGUAGES}
    typer.echo(f"{out}: {', '.join(f'{count} {code}' for code, count in counts.items())}")
