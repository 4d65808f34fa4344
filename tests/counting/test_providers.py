"""Providers agree with the local count where their units allow it, and say where they do not."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from semantic_pivots.corpus import writers
from semantic_pivots.counting.counts import count_tables
from semantic_pivots.counting.providers import open_provider
from semantic_pivots.counting.providers.infini_gram_http import InfiniGramService
from semantic_pivots.counting.providers.infini_gram_index import InfiniGramIndex
from semantic_pivots.errors import InputError

WORDS = [("chat", "fr"), ("猫", "zh")]
PAIRS = [(WORDS[0], WORDS[1])]


@pytest.mark.parametrize(("cell", "says"), [("", "nothing"), ("1,000", "'1,000'"), ("2.5", "2.5"), ("-1", "-1")])
def test_a_count_that_is_none_is_told_with_its_row(tmp_path: Path, cell: str, says: str):
    rows = "cat\ten\t3\n" * (cell != "1,000") + f"chat\tfr\t{cell}\n"
    (tmp_path / "word_counts.tsv").write_text(f"word\tlanguage\tvalue\n{rows}", "utf-8")
    with pytest.raises(InputError, match=rf"word_counts\.tsv: row \d holds {says} as value"):
        open_provider("file", str(tmp_path)).words([("chat", "fr")])


def test_a_counts_file_is_read_in_both_orders(tmp_path: Path):
    (tmp_path / "word_counts.tsv").write_text("word\tlanguage\tvalue\nchat\tfr\t7\n猫\tzh\t0\nnull\ten\t2\n", "utf-8")
    pair = {"word_1": ["猫"], "language_1": ["zh"], "word_2": ["chat"], "language_2": ["fr"], "value": [0]}
    pq.write_table(
        pa.table({**pair, "unit": ["occurrence"], "window": [100], "exact": [False]}), tmp_path / "pair_counts.parquet"
    )
    provider = open_provider("file", str(tmp_path))
    words, pairs = provider.words([*WORDS, ("null", "en")]), provider.pairs(PAIRS)
    assert words.values.tolist() == [7, 0, 2]
    assert (words.unit, words.window, words.exact.tolist()) == ("document", 0, [True] * 3)
    assert (pairs.values.tolist(), pairs.unit, pairs.window, pairs.exact.tolist()) == ([0], "occurrence", 100, [False])
    with pytest.raises(InputError, match=r"no count of chien fr .1 of 1 are missing.: a missing count is not a zero"):
        provider.words([("chien", "fr")])


@pytest.mark.parametrize(
    ("name", "path", "says"),
    [
        ("fil", "", "did you mean 'file'"),
        ("file", "nowhere", "expected a folder"),
        ("infini-gram-http", "", "is empty"),
    ],
)
def test_what_cannot_be_opened_is_named(name: str, path: str, says: str):
    with pytest.raises(InputError, match=says):
        open_provider(name, path)


class Service(http.server.BaseHTTPRequestHandler):
    """Fails twice, answers, and counts the requests."""

    asked: ClassVar[list[dict]] = []
    failures = 2

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        type(self).asked.append(body)
        if body["index"] == "unknown":
            self.send_error(403)
            return
        if len(type(self).asked) <= type(self).failures:
            self.send_error(503)
            return
        answer = json.dumps({"count": len(body["query"]), "approx": "AND" in body["query"]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@pytest.fixture
def address() -> Iterator[str]:
    Service.asked, Service.failures = [], 2
    server = http.server.HTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def test_a_service_is_asked_once_and_again_when_it_fails(tmp_path: Path, address: str):
    service = InfiniGramService(f"v4@{address}", str(tmp_path), pause_seconds=0.01)
    pairs = service.pairs(PAIRS)
    assert (pairs.values.tolist(), pairs.exact.tolist()) == ([len("chat AND 猫")], [False])
    assert (pairs.unit, pairs.window) == ("occurrence", 100)
    assert pairs.approx is not None
    assert pairs.approx.tolist() == [True]
    assert len(Service.asked) == 3
    assert Service.asked[-1] == {"index": "v4", "query_type": "count", "query": "chat AND 猫", "max_diff_tokens": 100}
    assert InfiniGramService(f"v4@{address}", str(tmp_path)).pairs(PAIRS).values.tolist() == pairs.values.tolist()
    assert len(Service.asked) == 3
    (row,) = count_tables(WORDS, PAIRS, service.words(WORDS), pairs, service.name)["pair_counts"].to_pylist()
    assert (row["exact"], row["approx"], row["provider"]) == (False, True, "infini-gram-http")


def test_a_service_that_refuses_or_stays_away_is_an_error(tmp_path: Path, address: str):
    with pytest.raises(InputError, match="HTTP 403"):
        InfiniGramService(f"unknown@{address}", str(tmp_path), 0.001).words(WORDS)
    assert len(Service.asked) == 1
    Service.failures = 100
    with pytest.raises(InputError, match="did not answer 'chat' in 6 attempts"):
        InfiniGramService(f"v4@{address}", str(tmp_path), 0.001).words(WORDS)


def test_a_local_index_counts_occurrences(tmp_path: Path):
    pytest.importorskip("infini_gram")
    texts = ["un chat noir et 猫", "chats", "猫猫", "rien du tout"]
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in texts), "utf-8")
    folders = ["--data_dir", str(tmp_path / "data"), "--save_dir", str(tmp_path / "index")]
    limits = ["--token_dtype", "u8", "--cpus", "1", "--mem", "1", "--ulimit", "512"]
    command = [sys.executable, "-m", "infini_gram.indexing", *folders, *limits]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PYTHONWARNINGS": "ignore"})
    provider = open_provider("infini-gram", str(tmp_path / "index"))
    words, pairs = provider.words(WORDS), provider.pairs(PAIRS)
    assert words.values.tolist() == [2, 3]
    assert pairs.values.tolist() == [1]
    assert (words.unit, words.window, pairs.window) == ("occurrence", 0, 100)
    assert not words.exact.any()
    assert not pairs.exact.any()


def test_an_index_of_any_tokenizer_is_built_from_token_shards(tmp_path: Path):
    pytest.importorskip("infini_gram")
    vocabulary = {w: i for i, w in enumerate(["[UNK]", "chat", "猫", "et", "noir"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    # short documents are kept apart: within a window the engine takes the nearest place, then finds it in another one
    shards = [["et " * 200, "chat et 猫"], ["", "noir", "et " * 200, "chat"]]
    columns = [pa.array([tokenizer.encode(t).ids for t in texts], pa.list_(pa.int32())) for texts in shards]
    index = tmp_path / "index"
    # five ids fit in two bytes each
    assert writers.write_infini_gram(columns, index, tmp_path / "tokenizer.json", 5) == 6
    folders = ["--data_dir", str(tmp_path), "--save_dir", str(index), "--token_dtype", "u16", "--version", "4"]
    command = [sys.executable, "-m", "infini_gram.indexing", *folders, "--cpus", "1", "--mem", "1", "--ulimit", "512"]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PYTHONWARNINGS": "ignore"})
    provider = InfiniGramIndex(str(index))
    assert provider.words([("chat", "fr"), ("猫", "zh"), ("noir", "fr")]).values.tolist() == [2, 1, 1]
    assert provider.pairs([(("chat", "fr"), ("猫", "zh")), (("chat", "fr"), ("noir", "fr"))]).values.tolist() == [1, 0]
    with pytest.raises(InputError, match="outside the vocabulary of 3"):
        writers.write_infini_gram(columns, tmp_path / "small", tmp_path / "tokenizer.json", 3)
