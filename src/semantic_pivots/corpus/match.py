"""Which words occur in which documents: `words.contains` for thousands of words at once, on Arrow's own buffers.

A document is read once, code point by code point, straight from its UTF-8 bytes. Each code point becomes the id of its
lower-cased character in the alphabet of the wanted words. A word of a spaced script that consists of joining characters
is a whole run of joining characters, so one hash per run finds it; every other word is followed through a trie from the
few positions where one can begin. Chosen against an Aho-Corasick byte automaton, which takes a dependent table load per
byte for words that can only begin at a boundary; the automaton would win where most words are unspaced and share
prefixes. Only a document that may not be in NFC (about one in a thousand) is first normalised by `unicodedata`.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numba import njit

from semantic_pivots import words

_POINTS = 0x110000
# Beyond the last assigned letter planes only tags and variation selectors have a category or a class of their own.
_RANGES = (range(0xD800), range(0xE000, 0x40000), range(0xE0000, 0xE0200))
_JOINING, _UNSURE, _MARK, _BEGINS, _SPACE, _BITS = 1, 2, 4, 8, 16, 5
_HASH_START, _HASH_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_MIX = np.uint64(0x9E3779B97F4A7C15)


@functools.cache
def characters() -> tuple[np.ndarray, np.ndarray]:
    """Of every code point: its simple lower case (int32), and the bits _JOINING, _UNSURE, _MARK, _SPACE (uint8)."""
    lower, bits = np.arange(_POINTS, dtype=np.int32), np.zeros(_POINTS, np.uint8)
    for points in _RANGES:
        for point in points:
            char = chr(point)
            category = unicodedata.category(char)
            if category in ("Cn", "Co"):
                continue
            low = char if category == "Lo" else words.normalise(char)
            lower[point] = ord(low[0])
            if category[0] in "LM" or low != char:
                bits[point] |= _JOINING * words.is_joining(low[0])
            bits[point] |= _MARK * bool(unicodedata.combining(char)) | _SPACE * char.isspace()
            decomposition = unicodedata.decomposition(char)
            if decomposition and decomposition[0] != "<":
                parts = decomposition.split()
                # A character that may compose with the one before it makes NFC uncertain (NFC_Quick_Check=Maybe).
                if len(parts) == 2:
                    bits[int(parts[1], 16)] |= _UNSURE
                if unicodedata.normalize("NFC", char) != char:
                    bits[point] |= _UNSURE
    bits[0x1161:0x1176] |= _UNSURE
    bits[0x11A7:0x11C3] |= _UNSURE
    return lower, bits


@dataclass(frozen=True)
class Words:
    """Words compiled for matching. A pattern is a normalised spelling with its boundary rule; words may share one.

    `chat` of English and `chat` of French are one pattern. `pattern_of` (words,) int32 gives each word's pattern, -1
    for a word that is empty: it occurs nowhere. `tables` are what the compiled kernels take: alphabet id << 5 | bits
    of every code point; keys and patterns of the run hash; offsets and alphabet ids of the spellings; the trie's root
    by alphabet id, keys and states of its other edges, and the pattern that ends in each state with and without
    boundaries.
    """

    pattern_of: np.ndarray
    patterns: int
    tables: tuple[np.ndarray, ...]

    @classmethod
    def compile(cls, spellings: Sequence[tuple[str, str]]) -> Words:
        """Compile (word, language code) pairs, which may repeat.

        Raises:
            InputError: a language code is unknown.
        """
        patterns: dict[tuple[str, bool], int] = {}
        pattern_of = np.full(len(spellings), -1, np.int32)
        for i, (word, code) in enumerate(spellings):
            key = (words.normalise(word), words.language(code).spaced)
            if key[0]:
                pattern_of[i] = patterns.setdefault(key, len(patterns))
        return cls(pattern_of, len(patterns), _tables(list(patterns)))


def _tables(patterns: list[tuple[str, bool]]) -> tuple[np.ndarray, ...]:
    lower, bits = characters()
    alphabet = {char: i + 1 for i, char in enumerate(sorted({c for word, _ in patterns for c in word}))}
    ids = np.zeros(_POINTS, np.uint32)
    for char, i in alphabet.items():
        ids[ord(char)] = i
    table = (ids[lower] << _BITS) | bits

    spelled = [np.array([alphabet[c] for c in word], np.uint32) for word, _ in patterns]
    offsets = np.zeros(len(spelled) + 1, np.int64)
    np.cumsum([len(s) for s in spelled], out=offsets[1:])
    spell_ids = np.concatenate(spelled) if spelled else np.zeros(0, np.uint32)
    is_run = np.array([spaced and all(map(words.is_joining, word)) for word, spaced in patterns], bool)

    size = 1 << max(4, int(np.ceil(np.log2(4 * max(1, int(is_run.sum()))))))
    run_keys, run_patterns = np.zeros(size, np.uint64), np.full(size, -1, np.int32)
    _fill_runs(offsets, spell_ids, is_run, run_keys, run_patterns)
    trie = _trie([s.tolist() for s in spelled], [spaced for _, spaced in patterns], is_run, len(alphabet) + 1)
    begins = np.zeros(len(alphabet) + 1, np.uint32)
    begins[trie[0] >= 0] = _BEGINS
    table |= begins[table >> _BITS]
    return table, run_keys, run_patterns, offsets, spell_ids, *trie


def _trie(spelled: list[list[int]], spaced: list[bool], is_run: np.ndarray, width: int) -> tuple[np.ndarray, ...]:
    edges: dict[tuple[int, int], int] = {}
    bounded, free = [-1], [-1]
    for pattern, ids in enumerate(spelled):
        if is_run[pattern]:
            continue
        state = 0
        for i in ids:
            following = edges.setdefault((state, i), len(free))
            if following == len(free):
                bounded.append(-1)
                free.append(-1)
            state = following
        (bounded if spaced[pattern] else free)[state] = pattern
    root = np.full(width, -1, np.int32)
    deeper = {}
    for (state, i), following in edges.items():
        if state == 0:
            root[i] = following
        else:
            deeper[(state << 32) | i] = following
    size = 1 << max(4, int(np.ceil(np.log2(4 * max(1, len(deeper))))))
    keys, states = np.zeros(size, np.uint64), np.full(size, -1, np.int32)
    _fill_edges(np.array(list(deeper), np.uint64), np.array(list(deeper.values()), np.int32), keys, states)
    return root, keys, states, np.array(bounded, np.int32), np.array(free, np.int32)


@njit(cache=True)
def _slot(key, mask):  # pragma: no cover - compiled
    return np.int64((key * _MIX) >> np.uint64(20)) & mask


@njit(cache=True)
def _fill_runs(offsets, spell_ids, is_run, keys, patterns):  # pragma: no cover - compiled
    mask = len(keys) - 1
    for pattern in range(len(is_run)):
        if not is_run[pattern]:
            continue
        key = _HASH_START
        for k in range(offsets[pattern], offsets[pattern + 1]):
            key = (key ^ np.uint64(spell_ids[k])) * _HASH_PRIME
        slot = _slot(key, mask)
        while patterns[slot] >= 0:
            slot = (slot + 1) & mask
        keys[slot] = key
        patterns[slot] = pattern


@njit(cache=True)
def _fill_edges(wanted, following, keys, states):  # pragma: no cover - compiled
    mask = len(keys) - 1
    for i in range(len(wanted)):
        slot = _slot(wanted[i], mask)
        while states[slot] >= 0:
            slot = (slot + 1) & mask
        keys[slot] = wanted[i]
        states[slot] = following[i]


@njit(cache=True, nogil=True, boundscheck=False)
def _find_in_document(
    data, begin, end, sure, doc, tables, codes, starts, stamp, found, places
):  # pragma: no cover - compiled
    """Put the patterns of one document into `found` and return how many; -1 if it must first be brought to NFC.

    With room in `places` every occurrence is found, and where it begins (number of the code point) is put there; else
    each pattern once. -2 if the room does not suffice.

    Args:
        data: uint8 UTF-8 bytes; the document is data[begin:end].
        sure: the document is known to be in NFC.
        doc: number that marks this document in `stamp` (n_patterns,) int64; `stamp[p] == doc` once p is found.
        codes, starts: scratch, uint32 and int64, each with room for one entry per byte.
        found: int32 (n_patterns,), or as long as places.
        places: int32, empty where each pattern is wanted once.
    """
    every = len(places) > 0
    table, run_keys, run_patterns, spell_offsets, spell_ids, root, edge_keys, edge_states, bounded, free = tables
    run_mask = len(run_keys) - 1
    n, n_starts, n_found, run_begin = 0, 0, 0, -1
    last_mark, known = False, True
    key = _HASH_START
    at = begin
    while at <= end:
        code = np.uint32(0)  # one step past the end, a boundary closes the last run
        if at < end:
            byte = np.uint32(data[at])
            if byte < 0x80:
                point = byte
                at += 1
            elif byte < 0xE0:
                point = ((byte & 0x1F) << 6) | (np.uint32(data[at + 1]) & 0x3F)
                at += 2
            elif byte < 0xF0:
                point = (
                    ((byte & 0x0F) << 12) | ((np.uint32(data[at + 1]) & 0x3F) << 6) | (np.uint32(data[at + 2]) & 0x3F)
                )
                at += 3
            else:
                point = (
                    ((byte & 0x07) << 18)
                    | ((np.uint32(data[at + 1]) & 0x3F) << 12)
                    | ((np.uint32(data[at + 2]) & 0x3F) << 6)
                    | (np.uint32(data[at + 3]) & 0x3F)
                )
                at += 4
            code = table[point]
            if not sure and point >= 0xC0:
                mark = (code & _MARK) != 0
                if (code & _UNSURE) != 0 or (mark and last_mark):
                    return -1
                last_mark = mark
        else:
            at += 1
        codes[n] = code
        if code & _BEGINS:
            starts[n_starts] = n
            n_starts += 1
        if code & _JOINING:
            if run_begin < 0:
                run_begin = n
                key = _HASH_START
                known = True
            char = code >> _BITS
            known = known and char != 0
            key = (key ^ np.uint64(char)) * _HASH_PRIME
        elif run_begin >= 0:
            if known:
                slot = _slot(key, run_mask)
                while run_patterns[slot] >= 0:
                    pattern = run_patterns[slot]
                    if run_keys[slot] == key and (every or stamp[pattern] != doc):
                        first = spell_offsets[pattern]
                        length = spell_offsets[pattern + 1] - first
                        same = length == n - run_begin
                        k = 0
                        while same and k < length:
                            same = spell_ids[first + k] == codes[run_begin + k] >> _BITS
                            k += 1
                        if same:
                            if every:
                                if n_found == len(places):
                                    return -2
                                places[n_found] = run_begin
                            stamp[pattern] = doc
                            found[n_found] = pattern
                            n_found += 1
                    slot = (slot + 1) & run_mask
            run_begin = -1
        n += 1
    n -= 1  # without the closing boundary
    n_found = _follow(
        n, n_starts, n_found, doc, codes, starts, stamp, found, places, root, edge_keys, edge_states, bounded, free
    )
    if every and n_found >= 0:
        _number(n, n_found, codes, starts, places)
    return n_found


@njit(cache=True, nogil=True, boundscheck=False)
def _number(n, n_found, codes, numbers, places):  # pragma: no cover - compiled
    """Bring places from code points to tokens (`words.meet`); `numbers` is scratch, int64 (n,)."""
    token, joined = np.int64(0), False
    for k in range(n):
        joining = (codes[k] & _JOINING) != 0
        if not (codes[k] & _SPACE) and not (joining and joined):
            token += 1
        joined = joining
        numbers[k] = token
    for k in range(n_found):
        places[k] = numbers[places[k]]


@njit(cache=True, nogil=True, boundscheck=False)
def _follow(
    n, n_starts, n_found, doc, codes, starts, stamp, found, places, root, edge_keys, edge_states, bounded, free
):  # pragma: no cover - compiled
    every = len(places) > 0
    mask = len(edge_keys) - 1
    for s in range(n_starts):
        at = starts[s]
        at_boundary = at == 0 or not codes[at - 1] & _JOINING
        state = root[codes[at] >> _BITS]
        while True:
            at += 1
            pattern = free[state]
            if pattern >= 0 and (every or stamp[pattern] != doc):
                if every:
                    if n_found == len(places):
                        return -2
                    places[n_found] = starts[s]
                stamp[pattern] = doc
                found[n_found] = pattern
                n_found += 1
            pattern = bounded[state]
            if pattern >= 0 and at_boundary and (at == n or not codes[at] & _JOINING):
                if every:
                    if n_found == len(places):
                        return -2
                    places[n_found] = starts[s]
                elif stamp[pattern] == doc:
                    pattern = -1
                if pattern >= 0:
                    stamp[pattern] = doc
                    found[n_found] = pattern
                    n_found += 1
            if at == n:
                break
            char = codes[at] >> _BITS
            if char == 0:
                break
            wanted = (np.uint64(state) << np.uint64(32)) | np.uint64(char)
            slot = _slot(wanted, mask)
            state = -1
            while edge_states[slot] >= 0:
                if edge_keys[slot] == wanted:
                    state = edge_states[slot]
                    break
                slot = (slot + 1) & mask
            if state < 0:
                break
    return n_found


@njit(cache=True, nogil=True)
def _find(
    data, offsets, sure, tables, codes, starts, stamp, found, out_rows, out_patterns
):  # pragma: no cover - compiled
    """Rows and patterns of all occurrences, and the rows that must first be brought to NFC."""
    n, unsure = 0, 0
    retry = np.empty(len(offsets) - 1, np.int64)
    nowhere = np.empty(0, np.int32)
    for row in range(len(offsets) - 1):
        n_found = _find_in_document(
            data, offsets[row], offsets[row + 1], sure, row, tables, codes, starts, stamp, found, nowhere
        )
        if n_found < 0:
            retry[unsure] = row
            unsure += 1
            continue
        if n + n_found > len(out_rows):
            grown = max(2 * len(out_rows), n + n_found)
            more_rows, more_patterns = np.empty(grown, np.int64), np.empty(grown, np.int32)
            more_rows[:n] = out_rows[:n]
            more_patterns[:n] = out_patterns[:n]
            out_rows, out_patterns = more_rows, more_patterns
        for k in range(n_found):
            out_rows[n] = row
            out_patterns[n] = found[k]
            n += 1
    return out_rows[:n].copy(), out_patterns[:n].copy(), retry[:unsure].copy()


def buffers(texts: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Bytes (uint8) and offsets (documents + 1,) int64 of Arrow strings, without a copy of a single chunk's bytes."""
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.chunk(0) if texts.num_chunks == 1 else pa.concat_arrays(texts.cast(pa.large_string()).chunks)
    large = pa.types.is_large_string(texts.type)
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, np.int64 if large else np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return np.frombuffer(data or b"", np.uint8), ends.astype(np.int64)


def find(compiled: Words, data: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every (document, pattern) of which the document contains the pattern, once each, in order of documents.

    Args:
        compiled: the words.
        data, offsets: the texts as they are, from `buffers`.

    Returns:
        starts (documents + 1,) int64 and patterns (hits,) int32: document d holds patterns[starts[d]:starts[d + 1]].
    """
    rows, hits, retry = _run(compiled, data, offsets, sure=False)
    if len(retry):
        again = [to_nfc(data, int(offsets[row]), int(offsets[row + 1])) for row in retry]
        ends = np.zeros(len(again) + 1, np.int64)
        np.cumsum([len(a) for a in again], out=ends[1:])
        late_rows, late_hits, _ = _run(compiled, np.concatenate(again), ends, sure=True)
        rows, hits = np.concatenate([rows, retry[late_rows]]), np.concatenate([hits, late_hits])
        order = np.argsort(rows, kind="stable")
        rows, hits = rows[order], hits[order]
    return np.searchsorted(rows, np.arange(len(offsets))), hits


@dataclass
class Occurrences:
    """Every place of every pattern in one document at a time; scratch memory is kept between documents."""

    compiled: Words

    def __post_init__(self) -> None:
        self._found, self._places = np.empty(1024, np.int32), np.empty(1024, np.int32)
        self._codes, self._starts = np.empty(0, np.uint32), np.empty(0, np.int64)
        self._stamp = np.full(self.compiled.patterns, -1, np.int64)

    def of(self, data: np.ndarray, begin: int, end: int) -> tuple[np.ndarray, np.ndarray]:
        """Patterns (occurrences,) int32 and the numbers of the tokens they begin in, of the bytes data[begin:end]."""
        text = to_nfc(data, begin, end)
        if len(text) + 1 > len(self._codes):
            self._codes, self._starts = np.empty(len(text) + 1, np.uint32), np.empty(len(text) + 1, np.int64)
        while True:
            scratch = self._codes, self._starts, self._stamp, self._found, self._places
            n = _find_in_document(text, 0, len(text), True, 0, self.compiled.tables, *scratch)
            if n >= 0:
                return self._found[:n], self._places[:n]
            self._found, self._places = (np.empty(2 * len(part), np.int32) for part in (self._found, self._places))


def _run(compiled: Words, data: np.ndarray, offsets: np.ndarray, sure: bool) -> tuple[np.ndarray, ...]:
    longest = int(np.diff(offsets).max(initial=0)) + 1
    scratch = np.empty(longest, np.uint32), np.empty(longest, np.int64)
    seen = np.full(compiled.patterns, -1, np.int64), np.empty(compiled.patterns, np.int32)
    room = 4 * len(offsets) + 1024
    out = np.empty(room, np.int64), np.empty(room, np.int32)
    return _find(data, offsets, sure, compiled.tables, *scratch, *seen, *out)


def to_nfc(data: np.ndarray, begin: int, end: int) -> np.ndarray:
    text = unicodedata.normalize("NFC", data[begin:end].tobytes().decode("utf-8"))
    return np.frombuffer(text.encode("utf-8"), np.uint8)
