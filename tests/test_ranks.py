"""Ranks of a command write, together and after a merge, the bytes that one process writes; a lost one is named."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from semantic_pivots import cli, ranks, run, tables
from semantic_pivots.commands import corpus_count
from semantic_pivots.corpus.corpus_stage import CorpusConfig
from semantic_pivots.corpus.shards import corpus_stage
from semantic_pivots.errors import InputError
from tests import chaos

WORLD = 3


def pivots(*arguments: str) -> bool:
    """Run a command in this process; whether it ended with its result, and not with parts of other ranks missing."""
    before, sys.argv = sys.argv, ["pivots", *arguments]
    try:
        cli.command()(list(arguments), standalone_mode=False)
    except ranks.UnfinishedRanks:
        return False
    finally:
        sys.argv, ranks._share = before, None
    return True


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """A corpus of six shards with its tokens and pivot set."""
    folder = tmp_path_factory.mktemp("ranks")
    with pytest.MonkeyPatch.context() as patch:
        chaos.world(folder)
        patch.chdir(folder)
        config = CorpusConfig(path="documents", languages=(), shard_bytes=9_000, workers=1)
        run.publish("corpus", {}, Path("made"), lambda work: corpus_stage(config, run.Inputs({}), work), tables.conform)
        assert pivots(*chaos.COMMANDS["tokens"])
        assert pivots(*chaos.COMMANDS["graph"])
    assert len(list((folder / "made/shards").iterdir())) >= 2 * WORLD
    return folder


@pytest.mark.parametrize("name", ["dedup", "report", "tokens", "count", "discover", "select", "export"])
def test_ranks_write_the_bytes_of_one_process(world: Path, name: str, monkeypatch):
    monkeypatch.chdir(world)
    monkeypatch.setattr(corpus_count, "TOGETHER_BYTES", 1)
    assert pivots(*chaos.COMMANDS[name])
    whole = chaos.content(Path(name))
    if name != "tokens":  # the others read them
        shutil.rmtree(name)
    else:
        Path(name).rename("kept")
    for _ in range(4):  # a phase each time
        done = [pivots(*chaos.COMMANDS[name], "--rank", str(rank), f"--world={WORLD}") for rank in range(WORLD)]
        if done[-1]:
            break
    assert done[-1]  # the last of a phase goes on to the next
    assert pivots("merge", {"report": "report/page.html"}.get(name, name))
    assert chaos.content(Path(name)) == whole
    if name == "tokens":
        shutil.rmtree(name)
        Path("kept").rename(name)


def test_a_lost_rank_is_named_and_nothing_is_published(world: Path, monkeypatch, capsys):
    monkeypatch.chdir(world)
    monkeypatch.setattr(corpus_count, "TOGETHER_BYTES", 1)
    asked = ["count", "--out", "lost", *chaos.COMMANDS["count"][3:]]
    for rank in (0, 2):
        assert not pivots(*asked, "--rank", str(rank), "--world", str(WORLD))
    parts = len(list((world / "made/shards").iterdir()))
    missing = f"{len(range(1, parts, WORLD))} of {parts} parts of `count` are missing"
    with pytest.raises(InputError, match=f"rank 1 of 3 has not finished: {missing}"):
        pivots("merge", "lost")
    assert not Path("lost").exists()
    assert pivots(*asked, "--rank", "1", "--world", str(WORLD))
    assert pivots("merge", "lost")
    with pytest.raises(InputError, match="no rank has written there"):
        pivots("merge", "lost")


def test_what_is_no_rank_is_refused(world: Path, monkeypatch):
    monkeypatch.chdir(world)
    with pytest.raises(InputError, match="expected a rank from 0 to world - 1"):
        pivots(*chaos.COMMANDS["count"], "--rank", "3", "--world", "3")
