"""Words as the units of a document; tokens can be mere pieces of words.

A text is segmented by script, so its language need not be known, and texts in several languages are segmented too:

- In scripts written with spaces, and in katakana, a word is a whole run of letters and marks. Apostrophes and hyphens
  end it, so `l'eau` contains `eau`; only the apostrophe of English `n't` does not.
- In scripts written without spaces, a word is the longest piece of at least two letters that is in the vocabulary of
  the model's tokenizer (`pieces_of`), from left to right. Where no piece begins, one letter is skipped. A segmenter was
  not chosen, because its words depend on its version and not every script has one. The disadvantages: one-letter words
  (水) are not units, and a word that is not in the vocabulary is segmented into shorter pieces.

A word has at least two letters (a Hangul syllable counts as two or three) and at most forty: single letters are
initials, options and variables, and longer runs are not words. Texts are normalised first (`words.normalise`).
"""

from __future__ import annotations

import functools
import itertools
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit

from semantic_pivots import words
from semantic_pivots.counting.match import characters, hash_table, to_nfc
from semantic_pivots.counting.match_kernel import HASH_PRIME, HASH_START, next_state, point_at, slot_of

_LEAST, _MOST = 2, 40
_SPACED, _KATAKANA, _OTHER = 1, 2, 3
_CLASS, _HANGUL, _MARK, _UNSURE, _BITS = 3, 4, 8, 16, 5
_APOSTROPHES = (0x27, 0x2019)
_KATAKANA_BLOCKS = ((0x30A1, 0x30FA), (0x30FC, 0x30FF), (0x31F0, 0x31FF), (0xFF66, 0xFF9F))


@functools.cache
def _table() -> np.ndarray:
    """(code points,) uint32: lower case << 5 | class of script, Hangul syllable, mark, may not be in NFC."""
    lower, bits = characters()
    table = lower.astype(np.uint32) << _BITS
    points = [point for low, high in words.UNSPACED_BLOCKS for point in range(low, high + 1)]
    letters = [point for point in points if unicodedata.category(chr(point))[0] in "LM"]
    table[letters] |= _OTHER
    for low, high in _KATAKANA_BLOCKS:
        table[low : high + 1] = table[low : high + 1] & ~np.uint32(_CLASS) | _KATAKANA
    table[(bits & 1) > 0] |= _SPACED
    table[(bits & 4) > 0] |= _MARK
    table[(bits & 2) > 0] |= _UNSURE
    table[0xAC00:0xD7A4] |= _HANGUL
    for point in _APOSTROPHES:
        table[point] = 0x27 << _BITS
    return table


def pieces_of(texts: Iterable[str]) -> set[str]:
    """The texts that can be words of a script without spaces: at least two letters, all of such scripts.

    A tokenizer also has pieces that cross a word boundary. A piece is left out if hiragana precedes another script in
    it (except お or ご at its beginning), if a Japanese particle follows another script at its end (人気の), if it
    begins with を or 的, or if it ends with 的 or 了.
    """
    table, pieces = _table(), set()
    for text in texts:
        text = words.normalise(text).strip()
        if 2 <= len(text) <= _MOST and all(table[ord(char)] & _CLASS == _OTHER for char in text) and _is_whole(text):
            pieces.add(text)
    return pieces


def _is_whole(piece: str) -> bool:
    """Whether a piece does not cross a word boundary, by the heuristics of `pieces_of`."""
    kana = "".join("h" if 0x3041 <= ord(char) <= 0x309F else "-" for char in piece)
    if "h-" in kana and not (piece[0] in "おご" and "h-" not in kana[1:]):
        return False
    ends_in_particle = kana.endswith("-h") and piece[-1] in "のはがをにでともへな"
    return not (ends_in_particle or piece[0] in "を的" or piece[-1] in "的了")


class Units(NamedTuple):
    """The distinct words of some documents: document i holds numbers[starts[i]:starts[i + 1]], in order of appearance.

    `starts` (documents + 1,) int64 and `numbers` int32; word k has the hash keys[k] (uint64) and the letters
    letters[ends[k]:ends[k + 1]], uint32 code points.
    """

    starts: np.ndarray
    numbers: np.ndarray
    keys: np.ndarray
    letters: np.ndarray
    ends: np.ndarray

    def texts(self) -> list[str]:
        """The words themselves, by number."""
        text = self.letters.astype("<u4").tobytes().decode("utf-32-le")
        return [text[a:b] for a, b in itertools.pairwise(self.ends.tolist())]


class Vocabulary:
    """Numbers for the words of several shards, in the order in which the words first occur."""

    def __init__(self):
        self._number: dict[int, int] = {}
        self.texts: list[str] = []

    def __len__(self) -> int:
        return len(self.texts)

    def numbers(self, keys: np.ndarray, letters: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """(words,) uint32: the number of each word of `Units`; new words get the next numbers."""
        numbers = np.empty(len(keys), np.uint32)
        text = letters.astype("<u4").tobytes().decode("utf-32-le")
        places = ends.tolist()
        for i, key in enumerate(keys.tolist()):
            numbers[i] = number = self._number.setdefault(key, len(self.texts))
            if number == len(self.texts):
                self.texts.append(text[places[i] : places[i + 1]])
        return numbers

    def keys(self) -> np.ndarray:
        """(words,) uint64: the hash of each word."""
        return np.fromiter(self._number, np.uint64, len(self._number))


@dataclass(frozen=True, eq=False)
class Splitter:
    """Segments documents into words, scripts without spaces by a vocabulary of pieces.

    `edges` and `states` are a hash table of the pieces' trie: (state << 32 | code point) and the state that follows,
    or -1; `last` marks the states in which a piece ends.
    """

    edges: np.ndarray
    states: np.ndarray
    last: np.ndarray

    @classmethod
    def compile(cls, pieces: Iterable[str]) -> Splitter:
        """Build the trie of the pieces."""
        following: dict[tuple[int, int], int] = {}
        last = [False]
        for piece in sorted(pieces):
            state = 0
            for char in piece:
                state = following.setdefault((state, ord(char)), len(last))
                if state == len(last):
                    last.append(False)
            last[state] = True
        return cls(*hash_table(following), np.array(last))

    def split(self, data: np.ndarray, offsets: np.ndarray) -> Units:
        """The distinct words of each document, given UTF-8 bytes and (documents + 1,) offsets (`strings.buffers`)."""
        retry = _unsure(data, offsets, _table())
        if len(retry):
            data, offsets = _replace(data, offsets, retry)
        longest = int(np.diff(offsets).max(initial=0))
        scratch = np.zeros(longest + 1, np.uint32), np.zeros(longest + 1, np.uint32)
        return Units(*_split(data, offsets, _table(), self.edges, self.states, self.last, *scratch))

    def words(self, text: str) -> list[str]:
        """The distinct words of one text, in order of appearance."""
        data = np.frombuffer(text.encode(), np.uint8)
        return self.split(data, np.array([0, len(data)])).texts()


def _replace(data: np.ndarray, offsets: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The documents with those of some rows brought to NFC."""
    parts, at = [], 0
    lengths = np.diff(offsets)
    for row in rows.tolist():
        text = to_nfc(data, int(offsets[row]), int(offsets[row + 1]))
        parts += [data[offsets[at] : offsets[row]], text]
        lengths[row], at = len(text), row + 1
    parts.append(data[offsets[at] : offsets[-1]])
    return np.concatenate(parts), np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


@njit(cache=True, nogil=True)
def _unsure(data, offsets, table):  # pragma: no cover - compiled
    """Documents that may not be in NFC: with a character that may compose, or with two marks in a row."""
    rows = np.empty(len(offsets) - 1, np.int64)
    n = 0
    for row in range(len(offsets) - 1):
        at, is_letter = offsets[row], False
        while at < offsets[row + 1]:
            if data[at] < 0x80:
                at += 1
                is_letter = False
                continue
            point, at = point_at(data, at)
            code = table[point]
            mark = (code & _MARK) != 0
            if (code & _UNSURE) != 0 or (mark and is_letter):
                rows[n] = row
                n += 1
                break
            is_letter = mark
    return rows[:n].copy()


@njit(cache=True, nogil=True)
def _run_end(codes, at, n):  # pragma: no cover - compiled
    """Where the run of letters of one class ends that begins at `at`, and how many letters it counts."""
    kind = codes[at] & _CLASS
    end, letters = at, 0
    while end < n:
        code = codes[end]
        if code & _CLASS == kind:
            letters += ((code & _MARK) == 0) + ((code & _HANGUL) != 0)
        elif not (
            code >> _BITS == 0x27
            and kind == _SPACED
            and end > at
            and codes[end - 1] >> _BITS == 110
            and end + 1 < n
            and codes[end + 1] >> _BITS == 116
            and (end + 2 == n or codes[end + 2] & _CLASS != _SPACED)
        ):
            break
        end += 1
    return end, letters


@njit(cache=True, nogil=True)
def _piece_end(codes, at, n, edges, states, last):  # pragma: no cover - compiled
    """Where the longest piece that begins at `at` ends; `at` if there is none."""
    state, end, place = np.int64(0), at, at
    while place < n:
        state = next_state(state, codes[place] >> _BITS, edges, states)
        if state < 0:
            break
        place += 1
        if last[state]:
            end = place
    return end


@njit(cache=True, nogil=True)
def _grow(slots, keys):  # pragma: no cover - compiled
    """A hash table of twice the size over the same keys."""
    larger = np.full(2 * len(slots), -1, np.int32)
    for number in slots:
        if number >= 0:
            slot = slot_of(keys[number], len(larger) - 1)
            while larger[slot] >= 0:
                slot = (slot + 1) & (len(larger) - 1)
            larger[slot] = number
    return larger


@njit(cache=True, nogil=True)
def _enlarge(array, least):  # pragma: no cover - compiled
    larger = np.empty(max(2 * len(array), least), array.dtype)
    larger[: len(array)] = array
    return larger


@njit(cache=True, nogil=True)
def _cut(codes, n, edges, states, last, ends):  # pragma: no cover - compiled
    """Where each word of a document begins and ends, in turn in `ends`; returns how many numbers these are."""
    m, at = 0, 0
    while at < n:
        kind = codes[at] & _CLASS
        if kind == 0:
            at += 1
            continue
        begin = at
        if kind == _OTHER:
            at = _piece_end(codes, at, n, edges, states, last)
            is_word = at > begin
            at = max(at, begin + 1)
        else:
            at, letters = _run_end(codes, at, n)
            is_word = letters >= _LEAST and at - begin <= _MOST
        if is_word:
            ends[m], ends[m + 1] = begin, at
            m += 2
    return m


@njit(cache=True, nogil=True)
def _split(data, offsets, table, edges, states, last, codes, cuts):  # pragma: no cover - compiled
    """The fields of `Units`; `codes` and `cuts` are scratch with room for a document's bytes and one more."""
    starts, numbers = np.zeros(len(offsets), np.int64), np.empty(1024, np.int32)
    keys, stamp, ends = np.empty(1024, np.uint64), np.empty(1024, np.int64), np.zeros(1025, np.int64)
    letters, slots = np.empty(8192, np.uint32), np.full(4096, -1, np.int32)
    size, count = 0, 0
    for row in range(len(offsets) - 1):
        at, n = offsets[row], 0
        while at < offsets[row + 1]:
            point, at = point_at(data, at)
            codes[n] = table[point]
            n += 1
        for c in range(0, _cut(codes, n, edges, states, last, cuts), 2):
            key = HASH_START
            for k in range(cuts[c], cuts[c + 1]):
                key = (key ^ np.uint64(codes[k] >> _BITS)) * HASH_PRIME
            slot = slot_of(key, len(slots) - 1)
            while slots[slot] >= 0 and keys[slots[slot]] != key:
                slot = (slot + 1) & (len(slots) - 1)
            number = slots[slot]
            if number < 0:
                number = count
                count += 1
                slots[slot] = number
                if count == len(keys):
                    keys, stamp, ends = _enlarge(keys, 0), _enlarge(stamp, 0), _enlarge(ends, 0)
                end = ends[number] + cuts[c + 1] - cuts[c]
                if end > len(letters):
                    letters = _enlarge(letters, end)
                for k in range(cuts[c], cuts[c + 1]):
                    letters[ends[number] + k - cuts[c]] = codes[k] >> _BITS
                keys[number], stamp[number], ends[count] = key, -1, end
                if 2 * count > len(slots):
                    slots = _grow(slots, keys)
            if stamp[number] != row:
                stamp[number] = row
                if size == len(numbers):
                    numbers = _enlarge(numbers, 0)
                numbers[size] = number
                size += 1
        starts[row + 1] = size
    return starts, numbers[:size].copy(), keys[:count].copy(), letters[: ends[count]].copy(), ends[: count + 1].copy()
