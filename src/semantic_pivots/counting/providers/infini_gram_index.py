"""An infini-gram index on this machine.

Its counts are occurrences of token sequences, not documents, and a pair's count is occurrences within 100 tokens, which
the index estimates from a sample above 50,000 matches of a clause (`approx`). A word is looked up bare and after a
space; other spellings (capitals, other segmentations) are missed. So a word's count is never called exact: an index
with a tokenizer finds only part of the documents that contain a word (fewest in Japanese), and an index of bytes finds
the word inside longer words too.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from semantic_pivots.corpus.vocabulary import id_count, read_tokenizer
from semantic_pivots.corpus.writers import token_dtype
from semantic_pivots.counting.providers import Counts, Pair, Word
from semantic_pivots.errors import InputError

WINDOW_TOKENS = 100


class InfiniGramIndex:
    """An index made by `python -m infini_gram.indexing`; with tokenizer.json beside it of tokens, else of bytes."""

    name = "infini-gram"

    def __init__(self, path: str):
        try:
            from infini_gram.engine import InfiniGramEngine
        except ImportError as error:
            raise InputError(
                "provider 'infini-gram' is not installed: pip install 'semantic-pivots[infini-gram]'"
            ) from error
        folder = Path(path)
        if not path or not list(folder.glob("table.*")):
            raise InputError(f"infini-gram index {path!r}: expected a folder with tokenized.0, table.0 and offset.0")
        self._tokenizer: Any = None
        vocabulary, dtype = 2**8 - 1, "u8"
        if (folder / "tokenizer.json").exists():
            self._tokenizer = read_tokenizer(folder / "tokenizer.json")
            vocabulary = id_count(self._tokenizer)
            dtype = "u16" if token_dtype(vocabulary).itemsize == 2 else "u32"  # as `pivots corpus export` writes
        # The end-of-text id only bounds generation, which counting never asks for.
        self._engine = InfiniGramEngine(
            index_dir=str(folder),
            eos_token_id=0,
            vocab_size=vocabulary,
            token_dtype=dtype,
            max_diff_tokens=WINDOW_TOKENS,
        )

    def words(self, words: Sequence[Word]) -> Counts:
        """Occurrences of each word."""
        return self._counts([[self._clause(word)] for word, _ in words], 0)

    def pairs(self, pairs: Sequence[Pair]) -> Counts:
        """Occurrences of both words of each pair within the window."""
        return self._counts([[self._clause(a[0]), self._clause(b[0])] for a, b in pairs], WINDOW_TOKENS)

    def _clause(self, word: str) -> list[list[int]]:
        if self._tokenizer is None:
            return [list(word.encode())]
        forms = [self._tokenizer.encode(form, add_special_tokens=False).ids for form in (word, f" {word}")]
        return [ids for i, ids in enumerate(forms) if ids and ids not in forms[:i]]

    def _counts(self, queries: list[list[list[list[int]]]], window: int) -> Counts:
        values, approx = np.zeros(len(queries), np.int64), np.zeros(len(queries), bool)
        for i, query in enumerate(queries):
            if all(query):  # an empty word is nowhere
                if len(query) == 1:
                    answers = [self._engine.count(input_ids=ids) for ids in query[0]]
                else:
                    answers = [self._engine.count_cnf(cnf=query)]
                for answer in answers:
                    if "error" in answer:
                        raise InputError(f"infini-gram index: query {query}: {answer['error']}")
                    values[i] += answer["count"]
                    approx[i] |= answer.get("approx", False)
        return Counts(values, np.zeros(len(queries), bool), "occurrence", window, approx)
