"""Which documents contain which words: one pass of an Aho–Corasick automaton over UTF-8 bytes, in numba.

The automaton is a complete transition table, so every byte costs one lookup, however many words there are; the price is
one kilobyte a state (some 80 MB for 10,000 words). Texts are normalised first; the boundary rule is that of
`words.contains`, which is the definition this must equal.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
import pyarrow as pa

from semantic_pivots import words


@functools.cache
def _joining() -> np.ndarray:
    """(0x110000,) bool: `words.is_joining` of every code point."""
    surrogates = range(0xD800, 0xE000)
    return np.array([c not in surrogates and words.is_joining(chr(c)) for c in range(sys.maxunicode + 1)])


@dataclass(frozen=True)
class Words:
    """Words compiled for matching. A pattern is a normalised spelling with its boundary rule; words may share one.

    Shapes: transitions (states, 256) int32; output (states,) int32, the pattern that ends here or -1; fallback (states,)
    int32, the next state along the suffix links that ends a pattern; lengths (patterns,) int32 bytes; bounded
    (patterns,) bool; pattern_of (words,) int32.
    """

    transitions: np.ndarray
    output: np.ndarray
    fallback: np.ndarray
    lengths: np.ndarray
    bounded: np.ndarray
    twin: np.ndarray
    pattern_of: np.ndarray

    @classmethod
    def compile(cls, spellings: Sequence[tuple[str, str]]) -> Words:
        """Compile (word, language code) pairs; an empty word matches nothing and is refused.

        Raises:
            ValueError: a word is empty after normalisation.
        """
        patterns: dict[tuple[bytes, bool], int] = {}
        pattern_of = np.empty(len(spellings), dtype=np.int32)
        for index, (word, code) in enumerate(spellings):
            key = (words.normalise(word).encode(), words.language(code).spaced)
            if not key[0]:
                raise ValueError(f"empty word {word!r} of language {code}")
            pattern_of[index] = patterns.setdefault(key, len(patterns))
        return cls(*_automaton(list(patterns)), pattern_of=pattern_of)

    @property
    def patterns(self) -> int:
        """Number of distinct patterns."""
        return len(self.lengths)


def _automaton(patterns: list[tuple[bytes, bool]]) -> tuple[np.ndarray, ...]:
    children: list[dict[int, int]] = [{}]
    output = [-1]
    # The same spelling with the other boundary rule ends in the same state: it is reached through its twin.
    twin = np.full(len(patterns), -1, dtype=np.int32)
    for index, (spelling, _) in enumerate(patterns):
        state = 0
        for byte in spelling:
            if byte not in children[state]:
                children[state][byte] = len(children)
                children.append({})
                output.append(-1)
            state = children[state][byte]
        if output[state] >= 0:
            twin[output[state]] = index
        else:
            output[state] = index
    transitions = np.zeros((len(children), 256), dtype=np.int32)
    suffix, fallback = np.zeros(len(children), dtype=np.int32), np.zeros(len(children), dtype=np.int32)
    for byte, state in children[0].items():
        transitions[0, byte] = state
    queue = list(children[0].values())
    for state in queue:  # breadth first: the suffix of a state is complete before the state is
        link = suffix[state]
        fallback[state] = link if output[link] >= 0 else fallback[link]
        transitions[state] = transitions[link]
        for byte, child in children[state].items():
            suffix[child] = transitions[link, byte]
            transitions[state, byte] = child
            queue.append(child)
    lengths = np.array([len(spelling) for spelling, _ in patterns], dtype=np.int32)
    bounded = np.array([spaced for _, spaced in patterns], dtype=np.bool_)
    return transitions, np.array(output, dtype=np.int32), fallback, lengths, bounded, twin


def normalised(texts: pa.ChunkedArray | pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Bytes of the normalised texts, (bytes,) uint8, and their offsets, (documents + 1,) int64."""
    encoded = [words.normalise(text).encode("utf-8", "surrogatepass") for text in texts.to_pylist()]
    offsets = np.zeros(len(encoded) + 1, dtype=np.int64)
    np.cumsum([len(text) for text in encoded], out=offsets[1:])
    return np.frombuffer(b"".join(encoded), dtype=np.uint8), offsets


def find(compiled: Words, data: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every (document, pattern) of which the document contains the pattern, once each, in order of documents.

    Args:
        compiled: the words.
        data, offsets: normalised texts, from `normalised`.

    Returns:
        starts (documents + 1,) int64 and patterns (hits,) int32: document d holds patterns[starts[d]:starts[d + 1]].
    """
    c = compiled
    return _find(data, offsets, c.transitions, c.output, c.fallback, c.lengths, c.bounded, c.twin, _joining())


@numba.njit(cache=True, nogil=True)
def _before(data, low, position, joining):  # pragma: no cover - compiled
    """Whether the character that ends before `position` joins."""
    if position <= low:
        return False
    start = position - 1
    while start > low and (data[start] & 0xC0) == 0x80:
        start -= 1
    return joining[_decode(data, start)]


@numba.njit(cache=True, nogil=True)
def _decode(data, i):  # pragma: no cover - compiled
    first = np.int64(data[i])
    if first < 0x80:
        return first
    if first < 0xE0:
        return ((first & 0x1F) << 6) | (data[i + 1] & 0x3F)
    if first < 0xF0:
        return ((first & 0x0F) << 12) | ((data[i + 1] & 0x3F) << 6) | (data[i + 2] & 0x3F)
    return ((first & 0x07) << 18) | ((data[i + 1] & 0x3F) << 12) | ((data[i + 2] & 0x3F) << 6) | (data[i + 3] & 0x3F)


@numba.njit(cache=True, nogil=True)
def _find(data, offsets, transitions, output, fallback, lengths, bounded, twin, joining):  # pragma: no cover - compiled
    documents = len(offsets) - 1
    starts = np.zeros(documents + 1, dtype=np.int64)
    seen = np.full(len(lengths), -1, dtype=np.int64)
    hits = np.empty(max(1024, 4 * documents), dtype=np.int32)
    count = 0
    for document in range(documents):
        low, high = offsets[document], offsets[document + 1]
        state = 0
        for i in range(low, high):
            state = transitions[state, data[i]]
            ending = state if output[state] >= 0 else fallback[state]
            while ending > 0:
                pattern = output[ending]
                while pattern >= 0:
                    if seen[pattern] != document:
                        inside = False
                        if bounded[pattern]:
                            begin = i + 1 - lengths[pattern]
                            inside = _before(data, low, begin, joining) or (
                                i + 1 < high and joining[_decode(data, i + 1)]
                            )
                        if not inside:
                            seen[pattern] = document
                            if count == len(hits):
                                grown = np.empty(2 * count, dtype=np.int32)
                                grown[:count] = hits
                                hits = grown
                            hits[count] = pattern
                            count += 1
                    pattern = twin[pattern]
                ending = fallback[ending]
        starts[document + 1] = count
    return starts, hits[:count].copy()
