"""Distractors by a language model: a server on this machine stands at the other end of the wire."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from semantic_pivots.cli import app
from semantic_pivots.errors import InputError
from semantic_pivots.lexicon.chat import KEY, Chat
from semantic_pivots.lexicon.written_distractors import judge_question, words_of, write_item, write_question

SECRET = "sk-loopback-secret"
ITEM = {
    "item_id": "en-fr:sun", "concept_id": "sun", "source_language": "en", "target_language": "fr",
    "source": "sun", "target": "soleil", "distractors": ["lamp", "cloud", "winter"], "strata": ["pos:noun"],
}  # fmt: skip


class Server(ThreadingHTTPServer):
    """Answers `script[n]` to the n-th question: a status, or a text; its last entry for ever."""

    def __init__(self, script):
        super().__init__(("127.0.0.1", 0), Handler)
        self.script, self.seen = script, []
        self.url = f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        place = min(len(self.server.seen), len(self.server.script) - 1)
        self.server.seen.append((self.path, self.headers.get("Authorization"), body))
        step = self.server.script[place]
        step = step(body["messages"][0]["content"]) if callable(step) else step
        payload = b"echo " + SECRET.encode()
        if isinstance(step, str):
            payload = json.dumps({"choices": [{"message": {"role": "assistant", "content": step}}]}).encode()
        self.send_response(200 if isinstance(step, (str, bytes)) else step)
        if step == 302:
            self.send_header("Location", "http://127.0.0.1:9/elsewhere")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_):
        pass


@pytest.fixture
def serve():
    running = []

    def start(*script):
        server = Server(script)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        running.append(server)
        return server

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


def test_a_question_is_repeated_until_answered_and_then_kept(serve, tmp_path, monkeypatch):
    monkeypatch.setenv(KEY, SECRET)
    server = serve(503, b"", 429, "moon")
    chat = Chat(server.url, "m", 7, str(tmp_path), pause_seconds=0.001)
    assert chat.answer("a word?") == "moon"
    assert [path for path, _, _ in server.seen] == ["/v1/chat/completions"] * 4
    assert {key for _, key, _ in server.seen} == {f"Bearer {SECRET}"}
    assert server.seen[0][2]["temperature"] == 0
    assert server.seen[0][2]["seed"] == 7
    assert Chat(server.url, "m", 7, str(tmp_path)).answer("a word?") == "moon"
    assert len(server.seen) == 4
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 1
    assert SECRET not in files[0].read_text("utf-8")


@pytest.mark.parametrize(
    ("step", "said", "asked"), [(500, "no answer in 5 attempts: HTTP 500", 5), (401, KEY, 1), (302, "HTTP 302", 1)]
)
def test_refusals_end_and_name_no_key(serve, tmp_path, monkeypatch, step, said, asked):
    monkeypatch.setenv(KEY, SECRET)
    server = serve(step)
    with pytest.raises(InputError, match=said) as caught:
        Chat(server.url, "m", 0, str(tmp_path), pause_seconds=0.001).answer("?")
    assert SECRET not in str(caught.value)
    assert len(server.seen) == asked
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_addresses_with_keys_and_other_schemes_are_refused():
    for url in ("file:///etc/passwd", "http://user:key@host/v1", "https://host/v1?key=x", ""):
        with pytest.raises(InputError, match="base_url"):
            Chat(url, "m")
    with pytest.raises(InputError, match="writer_model"):
        Chat("http://localhost/v1", "")


def test_the_judge_drops_words_and_neighbours_fill_what_is_missing():
    answers = iter(["1. Moon\n- sunshine\n* star\n“daylight”", "1,2,3,4", "star", "2", "one two"])
    asked = []

    def ask(question):
        asked.append(question)
        return next(answers)

    made, filled = write_item(ITEM, "noun", lambda word: "sun" in word, ask, 0)
    # the judge calls everything a translation the first time; the second round offers only refused words
    assert filled == 3
    assert sorted(made["distractors"]) == ["cloud", "lamp", "winter"]
    assert "sunshine" in asked[2]
    assert made["strata"] == ["pos:noun"]


def test_written_words_that_pass_the_judge_are_kept():
    def ask(question):
        if question.startswith("Which"):
            numbered = dict(line.split(". ") for line in question.splitlines()[1:-1])
            return ", ".join(number for number, word in numbered.items() if word in ("sun", "daystar"))
        return "moon\ndaystar\nstar" if "daystar" not in question else "planet"

    made, filled = write_item(ITEM, "noun", lambda word: False, ask, 0)
    assert (sorted(made["distractors"]), filled) == (["moon", "planet", "star"], 0)
    blind, _ = write_item(
        ITEM, "noun", lambda word: False, lambda q: "" if q.startswith("Which") else "moon\nstar\nsky", 0
    )
    assert blind["strata"][-1] == "judge:missed"


def test_questions_name_languages_and_words():
    assert "French" in write_question(ITEM, "noun", 9, ["x"])
    assert "soleil" in judge_question(ITEM, ["sun", "moon"])
    assert words_of('1) moon\n2. "star"\n\n- two words\n月') == ["moon", "star", "月"]


def test_the_command_asks_the_endpoint(serve, tmp_path, monkeypatch):
    from typer.testing import CliRunner

    monkeypatch.setenv("PIVOTS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(KEY, raising=False)
    names = [f"zz{chr(97 + k)}q" for k in range(9)]
    server = serve(lambda question: "0" if question.startswith("Which") else "\n".join(names))
    out = tmp_path / "items.jsonl"
    run = ["benchmark", "build", str(out), "--lexicon", "cldr", "--languages", "en,fr", "--items", "2"]
    run += ["--writer", "llm", "--base-url", server.url, "--writer-model", "m"]
    done = CliRunner().invoke(app, run)
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert len(rows) == 4
    assert all(sorted(row["distractors"]) == names for row in rows)
    assert server.seen[0][1] is None
