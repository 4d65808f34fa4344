"""Which words occur in which documents: `wordforms.rule.contains` for thousands of words at once, on Arrow's buffers.

A document is read once, code point by code point, from its UTF-8 bytes. Each code point becomes the id of its folded
character in the alphabet of the forms. A form that consists of joining characters must be a whole run of such
characters, so one hash per run finds it. All other forms are searched in a trie, from the few positions where one can
begin. If a form's edges require it, the clause around it is segmented into words of a dictionary, once. The alternative
was an Aho-Corasick automaton on bytes. It needs a dependent table look-up for every byte, although words can begin only
at boundaries; it would be faster if most words were unspaced and shared prefixes. Only a document that may not be in
NFC (about one in a thousand) is first normalised by `words.compose`.
"""

from __future__ import annotations

import functools
import itertools
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from semantic_pivots import words
from semantic_pivots.counting import match_kernel as kernel
from semantic_pivots.wordforms import affixes, cutting
from semantic_pivots.wordforms.rule import SPELLING, Form, Rule, Word

_POINTS = 0x110000
# Beyond the last assigned letter planes only tags and variation selectors have a category or a class of their own.
_RANGES = (range(0xD800), range(0xE000, 0x40000), range(0xE0000, 0xE0200))
_SHAPES = (range(0x587, 0x588), range(0xFF61, 0xFFA0), range(0xFB00, 0xFE00), range(0xFE70, 0xFEFD))


@functools.cache
def characters() -> tuple[np.ndarray, np.ndarray]:
    """Of every code point: its simple lower case (int32), and the bits JOINING, UNSURE, MARK, SPACE, CLAUSE (uint8)."""
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
                bits[point] |= _letter_bits(low[0])
            bits[point] |= kernel.MARK * bool(unicodedata.combining(char)) | kernel.SPACE * char.isspace()
            decomposition = unicodedata.decomposition(char)
            if decomposition and decomposition[0] != "<":
                parts = decomposition.split()
                # A character that may compose with the one before it makes NFC uncertain (NFC_Quick_Check=Maybe).
                if len(parts) == 2:
                    bits[int(parts[1], 16)] |= kernel.UNSURE
                if unicodedata.normalize("NFC", char) != char:
                    bits[point] |= kernel.UNSURE
    bits[0x1161:0x1176] |= kernel.UNSURE
    bits[0x11A7:0x11C3] |= kernel.UNSURE
    return lower, bits


def _letter_bits(char: str) -> int:
    if words.is_joining(char):
        return kernel.JOINING
    return kernel.CLAUSE * cutting.is_clause(char)


@functools.cache
def _folded_characters() -> tuple[np.ndarray, np.ndarray]:
    """The same of folded characters, with the bit SKIP of those that count as nothing."""
    lower, bits = (array.copy() for array in characters())
    stops = kernel.UNSURE | kernel.MARK
    for points in _RANGES:
        for point in points:
            char = chr(lower[point])
            target = words.fold_char(char)
            if target != char:
                lower[point] = ord(target) if target else 0
                letter = _letter_bits(target) | kernel.SPACE * target.isspace() if target else kernel.SKIP
                bits[point] = bits[point] & stops | letter
    for points in _SHAPES:
        bits[points.start : points.stop] |= kernel.UNSURE
    return lower, bits


@dataclass(frozen=True)
class Words:
    """Words compiled for matching. Words with the same forms are one entry.

    `pattern_of` (words,) int32 gives each word's entry, -1 for a word without forms, which matches nothing. `patterns`
    is the number of entries. `tables` are the arguments of the compiled kernels: alphabet id << 8 | bits of every code
    point; whether texts are folded, and whether a form may begin inside a run; hash of the runs, spellings, kinds and
    entries of the forms; the trie of the forms that are not runs; the affixes; the dictionaries.
    """

    pattern_of: np.ndarray
    patterns: int
    tables: tuple
    folds: bool

    @classmethod
    def compile(cls, spellings: Sequence[Word], rule: Rule = SPELLING) -> Words:
        """Compile (word, language code) pairs, which may repeat, under a rule.

        Raises:
            InputError: a language code is unknown.
        """
        return cls.of_forms([rule.forms(word) for word in spellings], rule.folds)

    @classmethod
    def of_forms(cls, entries: Sequence[Sequence[Form]], folds: bool) -> Words:
        """Compile entries, each given by its forms."""
        groups: dict[frozenset[Form], int] = {}
        pattern_of = np.full(len(entries), -1, np.int32)
        for i, forms in enumerate(entries):
            if texts := frozenset(form for form in forms if form.text):
                pattern_of[i] = groups.setdefault(texts, len(groups))
        of_form: dict[Form, list[int]] = {}
        for texts, group in groups.items():
            for form in sorted(texts):
                of_form.setdefault(form, []).append(group)
        return cls(pattern_of, len(groups), _tables(of_form, folds), folds)


def _tables(of_form: dict[Form, list[int]], folds: bool) -> tuple:
    forms = list(of_form)
    edge_names = sorted({form.edges for form in forms})
    cutters = [edges for edges in edge_names if edges in cutting.LANGUAGES]
    classes = [edges for edges in edge_names if edges in affixes.classes()]
    kind_of = {"letters": kernel.LETTERS, "any": kernel.ANY, "script": kernel.SCRIPT}
    kind_of |= {edges: kernel.FIRST_CUTTER + i for i, edges in enumerate(cutters)}
    kind_of |= {edges: kernel.FIRST_CLASS + i for i, edges in enumerate(classes)}

    affix_classes = [(name, affixes.classes()[name]) for name in classes]
    chars = {c for form in forms for c in form.text}
    chars |= {c for _, sides in affix_classes for side in sides for affix in side - {affixes.ANY} for c in affix}
    alphabet = {char: i + 1 for i, char in enumerate(sorted(chars))}
    codes = [np.array([alphabet[c] for c in form.text], np.uint32) for form in forms]
    kinds = np.array([kind_of[form.edges] for form in forms], np.int32)
    joins = np.array([all(map(words.is_joining, form.text)) for form in forms], bool)
    is_run = (kinds == kernel.LETTERS) & joins | (kinds >= kernel.FIRST_CLASS)
    is_joined = kinds >= kernel.FIRST_CLASS
    # letters at which a form that is no run may begin
    heads = sorted({head for form, run in zip(forms, is_run, strict=True) if not run and (head := _head(form))})
    offsets, spell_ids = _flat([*codes, *(np.array([alphabet[c] for c in h], np.uint32) for h in heads)], np.uint32)
    padding = np.zeros(len(heads), bool)
    runs = [
        _runs(offsets, spell_ids, np.concatenate(mask))
        for mask in ((is_run & ~is_joined, ~padding), (is_joined, padding))
    ]
    only = np.array([group[0] if len(group) == 1 else -1 for group in of_form.values()], np.int32)
    groups = _flat([np.array(group, np.int32) for group in of_form.values()], np.int32)
    trie = _trie([s.tolist() for s in codes], is_run, kinds, len(alphabet) + 1)

    lower, bits = _folded_characters() if folds else characters()
    ids = np.zeros(_POINTS, np.uint32)
    for char, i in alphabet.items():
        ids[ord(char)] = i
    table = (ids[lower] << kernel.BITS) | bits
    begins = np.zeros(len(alphabet) + 1, np.uint32)
    for form, kind, run in zip(forms, kinds.tolist(), is_run.tolist(), strict=True):
        if not run and not _head(form):
            begins[alphabet[form.text[0]]] = kernel.BEGINS
        if kind >= kernel.FIRST_CLASS:
            begins[alphabet[form.text[0]]] |= kernel.AFFIX
    for _, sides in affix_classes:
        for prefix in sides.prefixes - {""}:
            begins[alphabet[prefix[0]]] |= kernel.AFFIX
    table |= begins[table >> kernel.BITS]
    table[bits & kernel.SKIP > 0] &= 255  # the character that stands for nothing has no id
    entries = (*runs, offsets, spell_ids, kinds, only, *groups)
    # Where no form may begin inside a run of letters, most places are passed over.
    is_inner = any(form.edges == "any" and words.is_joining(form.text[0]) for form in forms)
    return table, folds, is_inner, entries, trie, _affix_tables(affix_classes, alphabet), _cut_tables(cutters, lower)


def _head(form: Form) -> str:
    """The letters that such a form begins with, which are a whole run wherever it occurs; empty: there are none."""
    if form.edges == "any":
        return ""
    return "".join(itertools.takewhile(words.is_joining, form.text))


def _runs(offsets: np.ndarray, spell_ids: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    size = _room(int(mask.sum()))
    keys, forms = np.zeros(size, np.uint64), np.full(size, -1, np.int32)
    kernel.fill_runs(offsets, spell_ids, mask, keys, forms)
    return keys, forms


def _flat(parts: Sequence[np.ndarray], kind: type) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.zeros(len(parts) + 1, np.int64)
    np.cumsum([len(part) for part in parts], out=offsets[1:])
    return offsets, np.concatenate(parts) if parts else np.zeros(0, kind)


def _room(entries: int) -> int:
    return 1 << max(4, int(np.ceil(np.log2(4 * max(1, entries)))))


def hash_table(edges: dict[tuple[int, int], int]) -> tuple[np.ndarray, np.ndarray]:
    """A trie's edges, (state, character) to state, as keys state << 32 | character and states, by slot."""
    size = _room(len(edges))
    keys, states = np.zeros(size, np.uint64), np.full(size, -1, np.int32)
    pairs = np.array([(state << 32) | char for state, char in edges], np.uint64)
    kernel.fill_edges(pairs, np.array(list(edges.values()), np.int32), keys, states)
    return keys, states


def _trie(codes: list[list[int]], is_run: np.ndarray, kinds: np.ndarray, width: int) -> tuple[np.ndarray, ...]:
    edges: dict[tuple[int, int], int] = {}
    ends: list[list[int]] = [[]]
    is_beginning = np.zeros(width, np.uint8)
    for form, ids in enumerate(codes):
        if is_run[form]:
            continue
        is_cut = kinds[form] >= kernel.FIRST_CUTTER
        is_beginning[ids[0]] |= 1 << (kinds[form] - kernel.FIRST_CUTTER) if is_cut else kernel.OTHER_KINDS
        state = 0
        for i in ids:
            following = edges.setdefault((state, i), len(ends))
            if following == len(ends):
                ends.append([])
            state = following
        ends[state].append(form)
    root = np.full(width, -1, np.int32)
    deeper = {}
    for (state, i), following in edges.items():
        if state == 0:
            root[i] = following
        else:
            deeper[state, i] = following
    return root, is_beginning, *hash_table(deeper), *_flat([np.array(forms, np.int32) for forms in ends], np.int32)


def _affix_tables(classes_of: list[tuple[str, affixes.AffixClass]], alphabet: dict[str, int]) -> tuple[np.ndarray, ...]:
    """Keys and states of the tries of prefixes (root 0) and of suffixes read backwards (root 1); classes by state.

    And, (1,) uint64, the classes behind whose forms any letters may stand.
    """
    if not classes_of:
        return np.zeros(1, np.uint64), np.full(1, -1, np.int32), np.zeros(2, np.uint64), np.zeros(1, np.uint64)
    edges: dict[tuple[int, int], int] = {}
    masks, free = [0, 0], 0
    for number, (_, sides) in enumerate(classes_of):
        for root, side in enumerate(sides):
            free |= (affixes.ANY in side) << number
            for affix in sorted(side - {affixes.ANY}):
                state = root
                for char in affix[::-1] if root else affix:
                    following = edges.setdefault((state, alphabet[char]), len(masks))
                    if following == len(masks):
                        masks.append(0)
                    state = following
                masks[state] |= 1 << number
    return *hash_table(edges), np.array(masks, np.uint64), np.array([free], np.uint64)


def _cut_tables(codes: list[str], lower: np.ndarray) -> tuple[np.ndarray, ...]:
    """Folded character of every code point, and the dictionaries (`kernel.fill_cutters`); empty without any."""
    if not codes:
        return np.zeros(0, np.uint32), np.zeros((0, 0), np.int32), np.zeros(1, np.uint64)
    return lower.astype(np.uint32), *_dictionaries(tuple(codes))


@functools.lru_cache(maxsize=2)
def _dictionaries(codes: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    texts = [cutting.dictionary_bytes(code) for code in codes]
    begins = np.concatenate([[0], np.cumsum([len(text) for text in texts])]).astype(np.int64)
    roots = np.full((len(codes), kernel.ROOTS), -1, np.int32)
    edges = np.zeros(1 << int(np.ceil(np.log2(1.5 * sum(map(cutting.edges_of, codes))))), np.uint64)
    kernel.fill_cutters(np.frombuffer(b"".join(texts), np.uint8), begins, roots, edges)
    return roots, edges


def find(matcher: Words, data: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every pair of a document and an entry that it contains, once each, in the order of the documents.

    Args:
        matcher: the words.
        data, offsets: the texts as they are, from `buffers`.

    Returns:
        starts (documents + 1,) int64 and entries (hits,) int32: document d holds entries[starts[d]:starts[d + 1]].
    """
    rows, hits, retry = _run(matcher, data, offsets, sure=False)
    if len(retry):
        folded_texts = [to_nfc(data, int(offsets[row]), int(offsets[row + 1]), matcher.folds) for row in retry]
        ends, flat = _flat(folded_texts, np.uint8)
        late_rows, late_hits, _ = _run(matcher, flat, ends, sure=True)
        rows, hits = np.concatenate([rows, retry[late_rows]]), np.concatenate([hits, late_hits])
        order = np.argsort(rows, kind="stable")
        rows, hits = rows[order], hits[order]
    return np.searchsorted(rows, np.arange(len(offsets))), hits


@dataclass
class Occurrences:
    """Finds every occurrence of every word in one document at a time; its scratch memory is reused."""

    matcher: Words

    def __post_init__(self) -> None:
        self._hits, self._places = np.empty(1024, np.int32), np.empty(1024, np.int32)
        self._scratch = _scratch(self.matcher, 0)
        self._stamp = np.full(self.matcher.patterns, -1, np.int64)

    def of(self, data: np.ndarray, begin: int, end: int) -> tuple[np.ndarray, np.ndarray]:
        """The entry of each occurrence in data[begin:end], (occurrences,) int32, and the number of its first token."""
        text = to_nfc(data, begin, end, self.matcher.folds)
        if len(text) + 1 > len(self._scratch[0]):
            self._scratch = _scratch(self.matcher, len(text) + 1)
        while True:
            hits = self._stamp, self._hits, self._places
            n = kernel.find_in_document(text, 0, len(text), True, 0, self.matcher.tables, self._scratch, hits)
            if n >= 0:
                return self._hits[:n], self._places[:n]
            self._hits, self._places = (np.empty(2 * len(part), np.int32) for part in (self._hits, self._places))


def _scratch(matcher: Words, size: int) -> tuple:
    cut_size = size + 1 if len(matcher.tables[6][0]) else 0
    cutting_scratch = (np.empty(cut_size, np.uint32), np.empty(cut_size, np.uint8))
    cutting_scratch += (np.empty(cut_size, np.int32), np.empty(cut_size, np.int32))
    affix_size = size + 1 if len(matcher.tables[5][0]) > 1 else 0
    return np.empty(size, np.uint32), np.empty(size, np.int64), cutting_scratch, np.empty(affix_size, np.uint64)


def _run(matcher: Words, data: np.ndarray, offsets: np.ndarray, sure: bool) -> tuple[np.ndarray, ...]:
    longest = int(np.diff(offsets).max(initial=0)) + 1
    hits = np.full(matcher.patterns, -1, np.int64), np.empty(matcher.patterns, np.int32), np.empty(0, np.int32)
    room = 4 * len(offsets) + 1024
    out = np.empty(room, np.int64), np.empty(room, np.int32)
    return kernel.find_in_documents(data, offsets, sure, matcher.tables, _scratch(matcher, longest), hits, *out)


def to_nfc(data: np.ndarray, begin: int, end: int, folds: bool = False) -> np.ndarray:
    """The bytes data[begin:end] as `words.nfc` writes them; where texts are folded, as `words.compose` does."""
    text = data[begin:end].tobytes().decode("utf-8")
    text = words.compose(text) if folds else words.nfc(text)
    return np.frombuffer(text.encode("utf-8"), np.uint8)
