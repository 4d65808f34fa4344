"""A language model behind an OpenAI-compatible endpoint (`POST BASE/chat/completions`), asked once per question.

Answers are kept on disk, one small file a question, so that a stopped run continues and a finished one is repeated
without the model. The key is read from the environment when a question is sent; it is in no file, message or address.
Redirects are refused, because they would carry the key to another host.
"""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from semantic_pivots.caching import cache_folder
from semantic_pivots.errors import InputError
from semantic_pivots.files import complete_file, text_hash

KEY = "OPENAI_API_KEY"
"""Environment variable of the key; local servers need none."""
_ATTEMPTS, _FIRST_PAUSE_SECONDS, _TIMEOUT_SECONDS = 5, 1.0, 120.0
_TRANSIENT = {408, 409, 425, 429, 500, 502, 503, 504}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object, **__: object) -> None:
        return None


class Chat:
    """Sends prompts to one model of an endpoint, at temperature 0.

    Args:
        base_url: address up to and without `/chat/completions`, such as http://localhost:8000/v1.
        model: the endpoint's name of the model.
        seed: sent with every question.
        cache: folder of kept answers; empty: $PIVOTS_CACHE or the user's cache folder.
        pause_seconds: before the second attempt; doubled before each further one.

    Raises:
        InputError: the address is not http(s), holds a user or password, or no model is named.
    """

    def __init__(
        self, base_url: str, model: str, seed: int = 0, cache: str = "", pause_seconds: float = _FIRST_PAUSE_SECONDS
    ):
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(f"base_url {base_url!r}: expected an address such as http://localhost:8000/v1")
        if parts.username or parts.password or parts.query:
            raise InputError(f"base_url: leave keys out of the address; put the key into the environment as {KEY}")
        if not model:
            raise InputError("writer_model is empty: name a model of the endpoint")
        self.address = base_url.rstrip("/") + "/chat/completions"
        self.model, self.seed, self.pause_seconds = model, seed, pause_seconds
        self.folder = cache_folder(cache) / "chat"
        self._opener = urllib.request.build_opener(_NoRedirect)

    def answer(self, question: str) -> str:
        """The model's answer to one question.

        Raises:
            InputError: the endpoint refused, or gave no usable answer in five attempts.
        """
        body = {
            "model": self.model,
            "messages": [{"role": "user", "content": question}],
            "temperature": 0,
            "seed": self.seed,
        }
        text = json.dumps(body, sort_keys=True, ensure_ascii=False).encode()
        cache_file = self.folder / (text_hash(self.address, "\n", text) + ".json")
        if cache_file.exists():
            return json.loads(cache_file.read_text("utf-8"))["answer"]
        answer = self._post(text)
        with complete_file(cache_file, several=True) as temporary:
            temporary.write_text(json.dumps({"model": self.model, "question": question, "answer": answer}), "utf-8")
        return answer

    def _post(self, body: bytes) -> str:
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get(KEY, ""):
            headers["Authorization"] = f"Bearer {key}"
        reason = ""
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(self.pause_seconds * 2 ** (attempt - 1))
            request = urllib.request.Request(self.address, body, headers)
            try:
                with self._opener.open(request, timeout=_TIMEOUT_SECONDS) as response:
                    answer = json.loads(response.read())["choices"][0]["message"]["content"]
                if isinstance(answer, str):
                    return answer
                reason = "an answer without text"
            except urllib.error.HTTPError as error:
                # the body is not shown: some servers repeat the request's key in it
                reason = f"HTTP {error.code}"
                if error.code in (401, 403):
                    raise InputError(f"{self.address}: {reason}; is {KEY} set in the environment?") from None
                if error.code not in _TRANSIENT:
                    raise InputError(f"{self.address} refused the question: {reason}") from None
            except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
                reason = f"{type(error).__name__}: no usable answer"
        raise InputError(f"{self.address} gave no answer in {_ATTEMPTS} attempts: {reason}")
