"""The same bytes on every engine; dead workers and lost nodes change nothing but the time."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from semantic_pivots import engines
from semantic_pivots.counting.counts import count_shard
from semantic_pivots.engines import Task, run_shards
from semantic_pivots.errors import InputError
from semantic_pivots.run import Work

WORDS = (("chat", "fr"), ("猫", "zh"))
PAIRS = ((WORDS[0], WORDS[1]),)


def shards(folder: Path, n: int = 5) -> list[tuple[str, Path]]:
    made = []
    for i in range(n):
        path = folder / f"shard-{i}.parquet"
        pq.write_table(pa.table({"text": ["un chat", "猫 chat", "rien"] * (i + 1)}), path)
        made.append((f"s{i}", path))
    return made


def work(folder: Path) -> Work:
    folder.mkdir()
    return Work(folder, folder)


def run(folder: Path, tasks: list[Task], workers: int = 2, engine: str = "pool") -> dict[str, bytes]:
    kept = work(folder)
    list(run_shards(tasks, kept, workers, "count", engine))
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.parquet"))}


def die_once(path: Path, marker: Path) -> pa.Table:
    """Kill this worker hard the first time, count the second time."""
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return count_shard(str(path), (), WORDS, PAIRS)


def die_always(path: Path) -> pa.Table:
    os.kill(os.getpid(), signal.SIGKILL)
    return count_shard(str(path), (), WORDS, PAIRS)


def refuse(name: str) -> pa.Table:
    raise InputError(f"{name} cannot be counted")


def when_removed(path: Path, started: Path, removed: Path) -> pa.Table:
    """Tell that this shard has started, then count it once a node has been removed."""
    started.touch()
    limit = time.monotonic() + 60
    while not removed.exists() and time.monotonic() < limit:
        time.sleep(0.05)
    return count_shard(str(path), (), WORDS, PAIRS)


def plain(folder: Path) -> list[Task]:
    return [(name, count_shard, (str(path), (), WORDS, PAIRS)) for name, path in shards(folder)]


def test_totals_are_those_of_the_documents(tmp_path: Path):
    parts = list(run_shards(plain(tmp_path), work(tmp_path / "w"), 2, "count"))
    assert [p["documents"][0].as_py() for p in parts] == [3, 6, 9, 12, 15]
    assert sum(p["pairs"][0].as_py()[0] for p in parts) == 15


def test_a_worker_that_dies_is_retried(tmp_path: Path):
    tasks = plain(tmp_path)
    expected = run(tmp_path / "one", tasks, workers=1)
    tasks[2] = (tasks[2][0], die_once, (tasks[2][2][0], tmp_path / "died"))
    assert run(tmp_path / "pool", tasks) == expected
    assert (tmp_path / "died").exists()


def test_a_shard_that_kills_twice_is_named_and_the_others_are_kept(tmp_path: Path):
    tasks = plain(tmp_path)
    tasks[1] = ("culprit", die_always, (tasks[1][2][0],))
    with pytest.raises(InputError, match="shard culprit killed its worker three times"):
        run(tmp_path / "pool", tasks)
    assert len(list((tmp_path / "pool").glob("*.parquet"))) == 4


def slow(path: Path, intervals: Path) -> pa.Table:
    """Count a shard in 0.4 s at least, and leave a file that is named by when that began and ended."""
    began = time.monotonic_ns()
    time.sleep(0.4)
    (intervals / f"{began}-{time.monotonic_ns()}").touch()
    return count_shard(str(path), (), WORDS, PAIRS)


def test_after_a_dead_worker_the_rest_is_still_made_side_by_side(tmp_path: Path):
    intervals = tmp_path / "intervals"
    intervals.mkdir()
    tasks = plain(tmp_path)
    tasks = [("first", die_once, (tasks[0][2][0], tmp_path / "died"))] + [
        (f"s{i}", slow, (tasks[1][2][0], intervals)) for i in range(6)
    ]
    run(tmp_path / "pool", tasks, workers=3)
    # The death takes those at work along: what ended, ended after it.
    made = [tuple(map(int, path.name.split("-"))) for path in intervals.iterdir()]
    side_by_side = [sum(other[0] <= begin < other[1] for other in made) for begin, _ in made]
    assert len(made) >= 6
    assert max(side_by_side) >= 2


def test_a_killed_server_of_workers_is_survived(tmp_path: Path):
    tasks = plain(tmp_path)
    expected = run(tmp_path / "one", tasks, workers=1)
    list(run_shards(tasks[:2], work(tmp_path / "warm"), 2, "count"))
    os.kill(engines.forkserver._forkserver._forkserver_pid, signal.SIGKILL)
    assert run(tmp_path / "pool", tasks) == expected


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[: len(data) // 2]])
def test_a_part_that_lost_its_bytes_is_made_again(tmp_path: Path, damage, capsys):
    tasks = plain(tmp_path)
    expected = run(tmp_path / "one", tasks, workers=1)
    part = next((tmp_path / "one").glob("count-s1.parquet"))
    part.write_bytes(damage(part.read_bytes()))
    kept = Work(tmp_path / "one", tmp_path / "one")
    list(run_shards(tasks, kept, 1, "count"))
    assert {path.name: path.read_bytes() for path in sorted((tmp_path / "one").glob("*.parquet"))} == expected
    assert "count-s1.parquet is damaged: it is made again" in capsys.readouterr().err


def wait_for_ever(folder: Path) -> pa.Table:
    (folder / f"{os.getpid()}.started").touch()
    time.sleep(600)
    raise AssertionError


def run_for_ever(folder: Path) -> None:
    list(run_shards([(f"s{i}", wait_for_ever, (folder,)) for i in range(2)], Work(folder, folder), 2, "count"))


def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path):
    parent = multiprocessing.get_context("spawn").Process(target=run_for_ever, args=(tmp_path,))
    parent.start()
    limit = time.monotonic() + 60
    while len(started := list(tmp_path.glob("*.started"))) < 2 and time.monotonic() < limit:
        time.sleep(0.05)
    assert parent.pid
    os.kill(parent.pid, signal.SIGKILL)
    parent.join()
    left = [Path("/proc") / path.stem for path in started]
    limit = time.monotonic() + 20
    while any(process.exists() for process in left) and time.monotonic() < limit:
        time.sleep(0.05)
    assert len(left) == 2
    assert not any(process.exists() for process in left)


def test_an_interrupt_while_workers_start_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    ensure_running = engines.forkserver.ensure_running

    def interrupted() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        ensure_running()

    monkeypatch.setattr(engines.forkserver, "ensure_running", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "w", plain(tmp_path))


def test_an_unknown_engine_is_named(tmp_path: Path):
    with pytest.raises(InputError, match="did you mean 'ray'"):
        run(tmp_path / "w", plain(tmp_path), engine="rai")


def test_datatrove_makes_the_same_bytes(tmp_path: Path):
    pytest.importorskip("datatrove")
    tasks = plain(tmp_path)
    assert run(tmp_path / "dt", tasks, engine="datatrove") == run(tmp_path / "one", tasks, workers=1)


def test_ray_survives_a_killed_worker_and_a_lost_node(tmp_path: Path):
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    tasks = plain(tmp_path)
    expected = run(tmp_path / "one", tasks, workers=1)
    tasks[2] = (tasks[2][0], die_once, (tasks[2][2][0], tmp_path / "died"))
    started, removed = [tmp_path / "started-3", tmp_path / "started-4"], tmp_path / "removed"
    tasks[3:] = [
        (name, when_removed, (arguments[0], marker, removed))
        for (name, _, arguments), marker in zip(tasks[3:], started, strict=True)
    ]
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        second = cluster.add_node(num_cpus=1)
        here = os.pathsep.join(filter(None, ["src", os.environ.get("PYTHONPATH", ""), os.getcwd()]))
        ray.init(cluster.address, log_to_driver=False, runtime_env={"env_vars": {"PYTHONPATH": here}})

        def remove_under_work() -> None:
            # Each node has one core, so both waiting shards have started only when each node runs one.
            while not all(marker.exists() for marker in started):
                time.sleep(0.05)
            cluster.remove_node(second)
            removed.touch()

        remover = threading.Thread(target=remove_under_work, daemon=True)
        remover.start()
        assert run(tmp_path / "ray", tasks, engine="ray") == expected
        remover.join()
        with pytest.raises(InputError, match=r"^s\d cannot be counted$"):
            run(tmp_path / "refused", [(name, refuse, (name,)) for name, _, _ in tasks], engine="ray")
        assert sum(node["Alive"] for node in ray.nodes()) == 1
        _count_as_the_recipe_does(tmp_path / "texts")
    finally:
        ray.shutdown()
        cluster.shutdown()


def _count_as_the_recipe_does(folder: Path) -> None:
    """Run the recipe for Ray Data of docs/engines.md."""
    folder.mkdir()
    shards(folder)
    told = (Path(__file__).parent.parent / "docs/engines.md").read_text("utf-8").split("```python\n")
    code = next(part for part in told if "# Ray Data" in part).split("```")[0]
    names: dict = {"__name__": "recipe"}
    exec(code.replace("corpus/shards", str(folder)), names)
    rows = names["parts"].take_all()
    assert sum(row["documents"] for row in rows) == 45
    assert [sum(row["words"][i] for row in rows) for i in (0, 1)] == [0, 30]
