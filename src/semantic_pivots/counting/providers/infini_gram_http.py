"""The public infini-gram service, or one like it, over HTTP.

Answers are kept on disk, one small file a query, so that a study asks once and a stopped run continues. A refused or
failed request is repeated with growing pauses, then reported. What the counts are and are not stands in
`infini_gram_index`; the service's own `approx` stands beside each.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Sequence

import numpy as np

from semantic_pivots.caching import cache_folder
from semantic_pivots.counting.providers import Counts, Pair, Word
from semantic_pivots.counting.providers.infini_gram_index import WINDOW_TOKENS
from semantic_pivots.errors import InputError
from semantic_pivots.files import Record, complete_file, text_hash

ADDRESS = "https://api.infini-gram.io/"
_ATTEMPTS, _FIRST_PAUSE_SECONDS, _TIMEOUT_SECONDS = 6, 1.0, 60.0
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}


class InfiniGramService:
    """An index of a service: `v4_dolma-v1_7_llama` of the public one, or INDEX@ADDRESS."""

    name = "infini-gram-http"

    def __init__(self, path: str, cache: str = "", pause_seconds: float = _FIRST_PAUSE_SECONDS):
        self.index, _, address = path.partition("@")
        if not self.index:
            raise InputError("provider 'infini-gram-http': provider_path is empty; expected an index, or INDEX@ADDRESS")
        self.address = address or ADDRESS
        self.pause_seconds = pause_seconds
        self.folder = cache_folder(cache) / "infini-gram"

    def words(self, words: Sequence[Word]) -> Counts:
        """Occurrences of each word."""
        return self._counts([word for word, _ in words], 0)

    def pairs(self, pairs: Sequence[Pair]) -> Counts:
        """Occurrences of both words of each pair within the window."""
        return self._counts([f"{a[0]} AND {b[0]}" for a, b in pairs], WINDOW_TOKENS)

    def _counts(self, queries: list[str], window: int) -> Counts:
        answers = [self._answer(query) for query in queries]
        values = np.array([answer["count"] for answer in answers], np.int64)
        approx = np.array([bool(answer.get("approx")) for answer in answers], bool)
        return Counts(values, np.zeros(len(queries), bool), "occurrence", window, approx)

    def _answer(self, query: str) -> Record:
        body: Record = {"index": self.index, "query_type": "count", "query": query}
        if " AND " in query:
            body["max_diff_tokens"] = WINDOW_TOKENS
        text = json.dumps(body, sort_keys=True, ensure_ascii=False).encode()
        cache_file = self.folder / (text_hash(self.address, text) + ".json")
        if cache_file.exists():
            return json.loads(cache_file.read_text("utf-8"))
        answer = self._post(text, query)
        if "error" in answer or not isinstance(answer.get("count"), int):
            raise InputError(
                f"{self.address}: {query!r} on {self.index}: {answer.get('error', 'an answer without count')}"
            )
        with complete_file(cache_file, several=True) as temporary:
            temporary.write_text(json.dumps({**body, **answer}, ensure_ascii=False), "utf-8")
        return answer

    def _post(self, body: bytes, query: str) -> Record:
        reason: Exception | None = None
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(self.pause_seconds * 2 ** (attempt - 1))
            request = urllib.request.Request(self.address, body, {"Content-Type": "application/json"})
            try:
                with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
                    return json.loads(response.read())
            except urllib.error.HTTPError as error:
                if error.code not in _TRANSIENT:
                    raise InputError(f"{self.address} refused {query!r}: HTTP {error.code} {error.reason}") from error
                reason = error
            except (OSError, ValueError) as error:  # no network, a reset connection, an answer cut short
                reason = error
        raise InputError(f"{self.address} did not answer {query!r} in {_ATTEMPTS} attempts: {reason}") from reason
