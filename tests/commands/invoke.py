"""Commands as a shell asks for them, errors raised."""

from typing import Any

from typer.testing import CliRunner

from semantic_pivots.cli import app


def invoke(*command: object, **options: Any) -> str:
    """Run `pivots COMMAND` with `--option value` for each option and return what it prints."""
    words = [str(part) for part in command]
    for name, value in options.items():
        for one in value if isinstance(value, (list, tuple)) else [value]:
            flag = "--" + name.replace("_", "-")
            words += [flag] if one is True else [flag, str(one)]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def count(out: object, corpus: object = "", words: object = "", **options: Any) -> str:
    """`pivots count`."""
    given = {"corpus": corpus, "words": words, **options}
    return invoke("count", out=out, **{name: value for name, value in given.items() if value not in ("", None)})
