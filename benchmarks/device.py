"""One prepared quarter of an hour on an accelerator: `python -m benchmarks.device one|two|natural --out FOLDER`.

`one` needs nothing but this repository: versions and ceilings, the CPU against the device, attention at new shapes, the
scorer on a slice of the benchmark, the training loop. `two` trains the arms of a pack (scripts/pack_device.py) and asks
each for held-out words and text. `natural` runs the models of docs/natural.md from a pack of their sequences. Each step
is its own try and one JSON line, printed and written to `FOLDER`/NAME.jsonl as it ends: a step that fails or that the
seconds leave no room for says so, and the next one follows. `--tiny` is the same on a CPU with models and sizes of
seconds. docs/accelerator.md says what each line means.
"""

from __future__ import annotations

import argparse
import json
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import benchmarks  # noqa: F401 - prepares the process before numba and pyarrow are imported

Line = dict[str, Any]


class Steps:
    """Runs steps one after another, each its own try, within a number of seconds."""

    def __init__(self, path: Path, seconds: float):
        """Lines are added to the file `path`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds that are left."""
        return self._end - time.monotonic()

    def run(self, name: str, step: Callable[[], Line], least: float = 0.0) -> Line | None:
        """Run a step and say what came out.

        Args:
            name: of the step.
            step: gives its figures; `holds` among them says whether what must hold does.
            least: seconds that it takes; with fewer left it is not begun.

        Returns:
            The figures; None where the step failed or was not begun.
        """
        if self.left() < least:
            self.say({"step": name, "skipped": f"{self.left():.0f} of {least:.0f} seconds are left"})
            return None
        begun = time.monotonic()
        try:
            found = step()
        except Exception as error:  # a step that fails must not take the next ones along
            place = traceback.extract_tb(error.__traceback__)[-1]
            told = {"error": f"{type(error).__name__}: {error}", "at": f"{place.filename}:{place.lineno}"}
            self.say({"step": name, "seconds": round(time.monotonic() - begun, 2), **told})
            return None
        self.say({"step": name, "seconds": round(time.monotonic() - begun, 2), **found})
        return found

    def say(self, line: Line) -> None:
        """Print a line and add it to the file, both at once."""
        text = json.dumps(line, ensure_ascii=False)
        print(text, flush=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(text + "\n")


def main() -> None:
    """Run the steps of one of the commands."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("command", choices=["one", "two", "natural"])
    parser.add_argument("--seconds", type=float, default=600.0, help="after which no further step is begun")
    parser.add_argument("--out", type=Path, default=Path("build/device"), help="folder of the lines and of tables")
    parser.add_argument("--pack", type=Path, help="folder of a pack; `one` takes its tokenizer alone")
    parser.add_argument("--tokens", type=int, help="tokens of each run of `two`; as many as its samples hold")
    parser.add_argument("--workers", type=int, help="models of `natural` at once; as many as its study says")
    parser.add_argument("--causal-concepts", type=int, help="concepts whose link and need `natural` measures; all")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each arm of `two`")
    parser.add_argument("--tiny", action="store_true", help="models and sizes of seconds, for a CPU")
    options = parser.parse_args()
    if options.command != "one" and options.pack is None:
        parser.error(f"{options.command} needs --pack FOLDER, made by scripts/pack_device.py")
    steps = Steps(options.out / f"{options.command}.jsonl", options.seconds)
    if options.command == "one":
        from benchmarks.device_one import one

        one(steps, options.pack, options.tiny)
    elif options.command == "two":
        from benchmarks.device_pack import Pack

        with Pack(options.pack).packages():  # transformers looks for the reader of GGUF once, when it is imported
            from benchmarks.device_two import two

            two(steps, options.pack, options.tokens, options.seeds, options.tiny)
    else:
        from benchmarks.device_natural import natural

        natural(steps, options.pack, options.out, options.workers, options.causal_concepts)


if __name__ == "__main__":
    main()
