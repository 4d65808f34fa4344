"""Corpus commands under attack: `python -m tests.chaos FOLDER SEED` prints a line for each trial that goes wrong.

Every command is run once undisturbed. Then it is given files of limited size, as under a quota; and killed at a random
moment, with one of its finished parts cut where there are any. Each time it must end in one line and code 2, or not end
by itself, and run again it must write the very bytes of the undisturbed run. Some write to a disk that fills up, where
the system lets a user mount one. Last, inputs are damaged: one clear line.
Each run is a process forked from this one, in which everything is imported and the matcher's kernels are loaded.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import io
import os
import random
import resource
import shutil
import signal
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from semantic_pivots import cli
from semantic_pivots.corpus import duplicates, export, shards  # noqa: F401 - what a command imports, once for all of them
from semantic_pivots.counting import worker  # noqa: F401
from semantic_pivots.models import tokenise  # noqa: F401
from semantic_pivots.pivots import discovery, pivot_set  # noqa: F401
from semantic_pivots.selection import selections  # noqa: F401
from semantic_pivots.training.small_models import word_tokenizer
from tests.models import tiny

HUBS, OF_HUB = 15, 4
CONCEPTS = HUBS * OF_HUB
LEXICON = "concept_id\tpos\ten\tfr\n" + "".join(f"c{i}\tnoun\ten{i}w\tfr{i}w\n" for i in range(CONCEPTS))
PAIRS = "word_1\tlanguage_1\tword_2\tlanguage_2\nen0w\ten\tfr0w\tfr\nen1w\ten\tfr1w\tfr\n"


def world(folder: Path) -> None:
    """Documents in two files, in which hubs stand beside the words of their concepts; a lexicon, and a tokenizer."""
    draw, known = random.Random(0), set()
    (folder / "documents").mkdir()
    for name in ("a", "b"):
        rows = []
        for i in range(250):
            code, hub = ("en", "fr")[i % 2], i % HUBS
            words = [f"{code}{hub * OF_HUB + draw.randrange(OF_HUB)}w" for _ in range(2)]
            words += [f"hub{hub}", *(f"x{draw.randrange(300)}" for _ in range(20))]
            draw.shuffle(words)
            known.update(words)
            rows.append({"id": f"{name}{i}", "text": " ".join(words), "language": code})
        rows += [{**row, "id": f"{row['id']} again"} for row in rows[:5]]
        pq.write_table(pa.Table.from_pylist(rows), folder / "documents" / f"{name}.parquet")
    (folder / "lexicon.tsv").write_text(LEXICON, "utf-8")
    (folder / "pairs.tsv").write_text(PAIRS, "utf-8")
    tiny.model("llama").config.save_pretrained(folder / "model")
    word_tokenizer(sorted(known)).save_pretrained(folder / "model")


MADE = ["--corpus", "made", "--workers", "1"]
LANGUAGES = ["--lexicon", "lexicon.tsv", "--languages", "en,fr"]
COMMANDS = {
    "make": ["corpus", "make", "made", "--path", "documents", "--workers", "1"],
    "dedup": ["corpus", "dedup", "made", "dedup", "--workers", "1"],
    "report": ["corpus", "report", "made", "--out", "report/page.html", *LANGUAGES, "--workers", "1"],
    "tokens": ["corpus", "tokens", "made", "tokens", "--model", "model", "--workers", "1"],
    "count": ["count", "--out", "count", "--pairs", "pairs.tsv", *MADE],
    "discover": ["discover", "--out", "discover", "--pairs", "pairs.tsv", "--tokens", "tokens", *MADE],
    "export": ["corpus", "export", "made", "export"],
    "graph": [
        "graph",
        "--out",
        "graph",
        "--criterion",
        "bridge-fdr",
        "--unit",
        "token",
        "--tokens",
        "tokens",
        *LANGUAGES,
        *MADE,
    ],
    "select": [
        *("select", "--out", "select", "--pivots", "graph", "--budget-tokens", "2000", "--tokens", "tokens"),
        *LANGUAGES,
        *MADE,
    ],
}
OUT = {"make": "made"}
ON_FULL_DISK = ("make", "dedup", "export", "select")
_NEW_USER, _NEW_MOUNTS = 0x10000000, 0x00020000  # of unshare(2)


def small_disk(folder: str, size: int) -> None:
    """Mount an empty disk of some bytes over a folder, for this process alone; the process ends where it may not."""
    system, user = ctypes.CDLL(None, use_errno=True), os.getuid()
    if system.unshare(_NEW_USER | _NEW_MOUNTS):
        os._exit(errno.EPERM)
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    if system.mount(b"none", folder.encode(), b"tmpfs", 0, f"size={size}".encode()):
        os._exit(errno.EPERM)


def start(arguments: list[str], told: Path, file_bytes: int = 0, disk_bytes: int = 0) -> int:
    """Fork a process that runs a command, its messages in `told`; returns its id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        with told.open("w") as stream, contextlib.redirect_stderr(stream), contextlib.redirect_stdout(io.StringIO()):
            if file_bytes:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
            if disk_bytes:
                small_disk("disk", disk_bytes)
            sys.argv = ["pivots", *arguments]
            try:
                cli.main()
            except SystemExit as end:
                code = int(end.code or 0)
            except BaseException as error:
                print(f"Traceback: {type(error).__name__}: {error}", file=sys.stderr)
    finally:
        os._exit(code)


def finish(child: int) -> int:
    """The exit code of a process; negative: the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def content(folder: Path) -> dict[str, bytes]:
    """The files of a result, manifests without what differs between runs."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("manifest.json", ".lock")
    }


def remove(name: str) -> None:
    for path in (Path(name), *Path().glob(f".{name}*")):
        shutil.rmtree(path, ignore_errors=True)


def one_line(told: Path) -> bool:
    lines = told.read_text().splitlines()
    return sum(line.startswith("error: ") for line in lines) == 1 and "Traceback" not in told.read_text()


def attack(name: str, arguments: list[str], draw: random.Random, seconds: float, wanted: dict[str, bytes]) -> list[str]:
    """Trials of one command; what went wrong."""
    out, told, wrong = OUT.get(name, name), Path(f"{name}.told"), []
    largest = max(map(len, wanted.values()))
    remove(out)
    for trial in ("full", "kill"):  # the second goes on where the first ended
        child = start(arguments, told, draw.randrange(64, largest) if trial == "full" else 0)
        if trial != "full":
            time.sleep(draw.uniform(0.1, 0.9) * seconds)
            os.kill(child, signal.SIGKILL)
        code = finish(child)
        if trial == "full" and not (code == 2 and one_line(told)) and code != 0:
            wrong.append(f"{name} {trial}: code {code}, {told.read_text()[-300:]}")
        parts = sorted(Path().glob(f".{out}*/work/**/*.parquet")) + sorted(Path(out).glob(".*/work/**/*.parquet"))
        if trial == "kill" and parts:
            part = draw.choice(parts)
            part.write_bytes(part.read_bytes()[: draw.choice([0, 10])])
    if name in ON_FULL_DISK:
        there = arguments[:2] + [f"disk/{out}" if argument == out else argument for argument in arguments[2:]]
        code = finish(start(there, told, disk_bytes=draw.randrange(1 << 12, 1 << 15)))
        if code not in (0, errno.EPERM) and not (code == 2 and one_line(told)):
            wrong.append(f"{name}, full disk: code {code}, {told.read_text()[-300:]}")
    code = finish(start(arguments, told))
    if code or content(Path(out)) != wanted:
        wrong.append(f"{name}, run again: code {code}, {told.read_text()[-300:]}")
    return wrong


def damaged(draw: random.Random) -> list[str]:
    """A shard of the corpus and one of the tokens with a flipped bit; what went wrong."""
    wrong = []
    for folder, pattern in (("made", "shards/*.parquet"), ("tokens", "tokens/*.arrow")):
        path = next(Path(folder).glob(pattern))
        whole, times = path.read_bytes(), path.stat()
        data = bytearray(whole)
        data[draw.randrange(len(data) // 4, len(data) // 2)] ^= 1 << draw.randrange(8)
        path.write_bytes(bytes(data))
        for name in ["tokens", "count", "select"] if folder == "made" else ["discover", "graph"]:
            if name in ("count", "discover"):  # the others are read by those that follow
                remove(name)
            code = finish(start(COMMANDS[name], Path("damaged.told")))
            if code != 2 or not one_line(Path("damaged.told")):
                wrong.append(f"{name}, damaged {path}: code {code}, {Path('damaged.told').read_text()[-300:]}")
        path.write_bytes(whole)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    return wrong


def main(folder: Path, seed: int) -> list[str]:
    """All trials, in a folder; what went wrong."""
    world(folder)
    os.chdir(folder)
    Path("disk").mkdir()
    draw, wrong = random.Random(seed), []
    for name, arguments in COMMANDS.items():
        begun, told = time.monotonic(), Path(f"{name}.told")
        code = finish(start(arguments, told))
        if code:
            return [*wrong, f"{name}: code {code}, {told.read_text()[-500:]}"]
        out = OUT.get(name, name)
        wrong += attack(name, arguments, draw, time.monotonic() - begun, content(Path(out)))
    return wrong + damaged(draw)


if __name__ == "__main__":
    found = main(Path(sys.argv[1]), int(sys.argv[2]))
    print("\n".join(found))
    raise SystemExit(bool(found))
