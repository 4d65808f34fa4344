"""The command `pivots`, also as `python -m semantic_pivots`; an interruption is one line, even of the imports."""

import shlex
import sys

INTERRUPT_CODE = 130
"""exit code of a command that Ctrl-C ended, as shells have it"""


def main() -> None:
    """Run the command."""
    try:
        from semantic_pivots import cli

        cli.main()
    except SystemExit as ended:
        if ended.code != INTERRUPT_CODE:
            raise
    except KeyboardInterrupt:
        pass
    else:
        return
    command = shlex.join(["pivots", *sys.argv[1:]])
    print(f"interrupted: `{command}` goes on from what is done", file=sys.stderr)
    raise SystemExit(INTERRUPT_CODE)


if __name__ == "__main__":
    main()
