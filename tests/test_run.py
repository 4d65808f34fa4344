import errno
import json
import os
import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from semantic_pivots import run, tables
from semantic_pivots.errors import InputError
from semantic_pivots.files import digest, file_hash, files_under, fingerprint, read_table, write_table

ROWS = [{"concept_id": "dog", "pos": "noun", "strata": ["a"]}]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def stage(work: run.Work) -> dict[str, pa.Table]:
    (work.out / "file.txt").write_text("x")
    return {"concepts": work.part("rows", lambda: tables.from_rows("concepts", ROWS))}


def publish(folder: Path, key: dict, function=stage) -> dict:
    return run.publish("lexicon", key, folder / "lexicon", function, tables.conform)


@given(JSON)
def test_a_digest_does_not_depend_on_the_order_of_keys(value):
    again = json.loads(json.dumps(value, sort_keys=True))
    assert digest(value) == digest(again)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
@given(st.dictionaries(st.text(min_size=1), JSON, max_size=3))
def test_a_manifest_names_every_file_and_the_key(tmp_path, config):
    manifest = publish(tmp_path, {"config": config})
    folder = tmp_path / "lexicon"
    assert run.read_manifest(folder) == manifest
    assert manifest["key"] == digest({"config": config})
    assert set(manifest["files"]) == {"concepts.parquet", "file.txt"}
    assert all(file_hash(folder / name) == digest for name, digest in manifest["files"].items())
    assert manifest["digest"] == digest(manifest["files"])


def test_a_stage_that_fails_publishes_nothing_and_keeps_its_parts(tmp_path):
    calls = []

    def failing(work):
        work.part("rows", lambda: calls.append(1) or tables.from_rows("concepts", ROWS))
        if len(calls) == 1 and not (tmp_path / "second").exists():
            (tmp_path / "second").touch()
            raise RuntimeError("killed")
        return stage(work)

    with pytest.raises(RuntimeError):
        publish(tmp_path, {"v": 1}, failing)
    assert not (tmp_path / "lexicon").exists()
    publish(tmp_path, {"v": 1}, failing)
    assert calls == [1]
    assert not (tmp_path / ".lexicon.partial").exists()


def test_work_of_another_key_is_not_continued(tmp_path):
    def failing(work):
        work.part("rows", lambda: tables.from_rows("concepts", ROWS))
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        publish(tmp_path, {"v": 1}, failing)
    calls = []
    publish(tmp_path, {"v": 2}, lambda work: {"concepts": work.part("rows", lambda: calls.append(1) or _empty())})
    assert calls == [1]


def _empty() -> pa.Table:
    return tables.from_rows("concepts", [])


def test_a_kill_between_the_two_renames_is_repaired(tmp_path):
    manifest = publish(tmp_path, {"v": 1})
    # as a kill leaves it: the finished folder still in its partial place
    (tmp_path / ".lexicon.partial").mkdir()
    (tmp_path / "lexicon").rename(tmp_path / ".lexicon.partial" / "out")
    (tmp_path / ".lexicon.partial" / "key").write_text(digest({"v": 1}))
    assert publish(tmp_path, {"v": 1}, lambda work: pytest.fail("ran again"))["files"] == manifest["files"]


def test_equal_tables_give_equal_bytes(tmp_path):
    table = tables.from_rows("concepts", ROWS * 100)
    write_table(tmp_path / "a.parquet", table)
    write_table(tmp_path / "b.parquet", pa.concat_tables([table.slice(0, 30), table.slice(30)]))
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


@pytest.mark.parametrize("content", ["notes.txt", "manifest.json"])
def test_a_folder_of_anything_else_is_never_replaced(tmp_path, content):
    folder = tmp_path / "lexicon"
    folder.mkdir()
    publish(tmp_path, {"v": 0})  # an empty folder is taken
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / content).write_text('{"stage": "corpus"}')
    with pytest.raises(InputError, match="new or an empty folder"):
        publish(tmp_path, {"v": 1}, lambda work: pytest.fail("ran"))
    assert [path.name for path in folder.iterdir()] == [content]
    with pytest.raises(InputError, match="is a file"):
        run.publish("lexicon", {"v": 1}, folder / content, stage, tables.conform)


def test_a_table_of_a_wrong_schema_is_not_published(tmp_path):
    with pytest.raises((InputError, ValueError, KeyError, pa.ArrowException)):
        publish(tmp_path, {"v": 1}, lambda work: {"concepts": pa.table({"nonsense": [1]})})
    assert not (tmp_path / "lexicon").exists()


def test_a_full_disk_is_one_clear_line(tmp_path):
    def full(work):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(InputError, match="disk full while writing under"):
        publish(tmp_path, {"v": 1}, full)


def test_one_run_at_a_time(tmp_path):
    with (
        run.study_lock(tmp_path / "study"),
        pytest.raises(InputError, match="in use"),
        run.study_lock(tmp_path / "study"),
    ):
        pass


def test_two_runs_of_one_folder_do_not_meet(tmp_path):
    def second(work):
        with pytest.raises(InputError, match="being written by another run"):
            publish(tmp_path, {"v": 2}, lambda work: pytest.fail("ran"))
        return stage(work)

    publish(tmp_path, {"v": 1}, second)
    publish(tmp_path, {"v": 2})
    assert [path.name for path in tmp_path.iterdir()] == ["lexicon"]


def test_a_fingerprint_follows_the_content_not_the_time(tmp_path):
    folder = tmp_path / "input"
    folder.mkdir()
    (folder / "a").write_text("1")
    first = fingerprint(folder)
    (folder / "a").touch()
    assert fingerprint(folder) == first
    (folder / "a").write_text("2")
    assert fingerprint(folder) != first


def test_inputs_that_change_while_a_stage_runs_are_told_and_its_work_is_not_continued(tmp_path):
    (tmp_path / "in").mkdir()
    source = tmp_path / "in" / "a.txt"
    source.write_text("one")
    calls = []

    def reading(work):
        work.part("rows", lambda: calls.append(1) or tables.from_rows("concepts", ROWS))
        if len(calls) == 1:
            source.write_text("two")
        return stage(work)

    def made() -> dict:
        key = {"config": {}}
        return run.publish("lexicon", key, tmp_path / "lexicon", reading, tables.conform, [tmp_path / "in"])

    with pytest.raises(InputError, match=r"a\.txt was changed while `lexicon` read it"):
        made()
    assert not (tmp_path / "lexicon").exists()
    made()
    assert calls == [1, 1]


def test_a_published_file_that_was_altered_or_lost_is_told(tmp_path):
    publish(tmp_path, {"v": 1})
    folder = tmp_path / "lexicon"
    run.check_unaltered(folder)
    shutil.copytree(folder, tmp_path / "copy", copy_function=shutil.copyfile)  # with other times
    run.check_unaltered(tmp_path / "copy")
    (folder / "file.txt").write_text("y")
    with pytest.raises(InputError, match=r"file\.txt was altered after `lexicon` wrote it"):
        run.check_unaltered(folder)
    (folder / "file.txt").unlink()
    with pytest.raises(InputError, match=r"file\.txt is missing, which `lexicon` wrote"):
        run.check_unaltered(folder)


def test_a_key_does_not_overwrite_the_manifests_own_names(tmp_path):
    with pytest.raises(ValueError, match="files"):
        publish(tmp_path, {"files": {}})


def test_links_are_one_file_and_pipes_are_none(tmp_path):
    (tmp_path / "a.jsonl").write_text("{}")
    (tmp_path / "b.jsonl").symlink_to("a.jsonl")
    os.link(tmp_path / "a.jsonl", tmp_path / "c.jsonl")
    (tmp_path / "0.jsonl").symlink_to("a.jsonl")
    os.mkfifo(tmp_path / "pipe.jsonl")
    assert [Path(name).name for name in files_under(str(tmp_path))] == ["a.jsonl"]
    fingerprint(tmp_path)


def test_a_table_with_a_flipped_bit_is_refused(tmp_path):
    path = tmp_path / "a.parquet"
    write_table(path, pa.table({"text": [f"word {i * 7919}" for i in range(500)]}))
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 4
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match=r"a\.parquet: missing or damaged"):
        read_table(path)


def test_progress_counts_from_its_first_second(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    bar = run.Progress(480, "items", "score")
    assert bar._bar.tasks[0].fields["count"].startswith("0/480 items, 0.0/s")
    bar.close()
    capsys.readouterr()
    monkeypatch.setattr("sys.stderr.isatty", lambda: False, raising=False)
    assert run.Progress(0.28, "MB", "tokens")._count() == "0.00/0.28 MB, 0.0/s"
    line = run.Progress(480, "items", "score")
    line.advance(120)
    assert capsys.readouterr().err == ""
    line._report_time -= 60  # a minute later
    line.advance(120)
    assert capsys.readouterr().err.startswith("  score: 240/480 items, ")
