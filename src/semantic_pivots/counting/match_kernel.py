"""The compiled part of `match`: one pass over a document's bytes, then the words that begin inside its runs."""

from __future__ import annotations

import numpy as np
from numba import njit

# Bits of a code point, below its alphabet id: part of a word of a spaced script; may compose with what stands before
# it; combining mark; begins a word that is no run; white space; counts as nothing; letter of a script without spaces;
# begins a run to which affixes may be joined.
JOINING, UNSURE, MARK, BEGINS, SPACE, SKIP, CLAUSE, AFFIX, BITS = 1, 2, 4, 8, 16, 32, 64, 128, 8
# What may stand at a form's edges: no letter (its kind is LETTERS), anything, no letter of a spaced script beside one;
# from FIRST_CUTTER on a cut of that dictionary; from FIRST_CLASS on the affixes of that class.
LETTERS, ANY, SCRIPT, FIRST_CUTTER, FIRST_CLASS = 0, 1, 2, 3, 16
OTHER_KINDS = 128
"""Bit of a first character with which forms of other kinds than cutters begin, beside a bit for each cutter."""
UNKNOWN, UNKNOWN_RUN = 22_000, 26_000
"""Costs of a character, and of a run of katakana, that is in no dictionary (1,000 times a negative log probability)."""
_FAR = 2**30
ROOTS = 0x30000
"""Code points that may begin a word of a dictionary."""
COST_BITS = 17
NO_WORD, LEAF = 2**16 - 1, 2**16
"""Cost of a node at which no word ends; bit of one that no word goes on from."""
HASH_START, HASH_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_MIX = np.uint64(0x9E3779B97F4A7C15)


@njit(cache=True)
def slot_of(key, mask):  # pragma: no cover - compiled
    """First slot of the table in which a key is searched."""
    return np.int64((key * _MIX) >> np.uint64(20)) & mask


@njit(cache=True)
def fill_runs(offsets, spell_ids, is_run, keys, forms):  # pragma: no cover - compiled
    """Enter the forms that are whole runs, and the heads of others, into a hash table."""
    mask = len(keys) - 1
    for form in range(len(is_run)):
        if not is_run[form]:
            continue
        key = HASH_START
        for k in range(offsets[form], offsets[form + 1]):
            key = (key ^ np.uint64(spell_ids[k])) * HASH_PRIME
        slot = slot_of(key, mask)
        while forms[slot] >= 0:
            slot = (slot + 1) & mask
        keys[slot] = key
        forms[slot] = form


@njit(cache=True)
def fill_edges(edges, following, keys, states):  # pragma: no cover - compiled
    """Enter the edges of a trie into a hash table."""
    mask = len(keys) - 1
    for i in range(len(edges)):
        slot = slot_of(edges[i], mask)
        while states[slot] >= 0:
            slot = (slot + 1) & mask
        keys[slot] = edges[i]
        states[slot] = following[i]


@njit(cache=True, nogil=True, boundscheck=False)
def next_state(state, char, keys, states):  # pragma: no cover - compiled
    """The state that a character leads to in a trie of `fill_edges`; -1 where none does."""
    edge = (np.uint64(state) << np.uint64(32)) | np.uint64(char)
    mask = len(keys) - 1
    slot = slot_of(edge, mask)
    while states[slot] >= 0:
        if keys[slot] == edge:
            return states[slot]
        slot = (slot + 1) & mask
    return -1


@njit(cache=True)
def fill_cutters(data, begins, roots, edges):  # pragma: no cover - compiled
    """Enter dictionaries, lines of word, tabulator and cost (UTF-8), into one trie of code points.

    Args:
        data, begins: uint8; dictionary c is data[begins[c]:begins[c + 1]].
        roots: int32 (dictionaries, ROOTS), -1 everywhere: gets leaf and cost of each first code point.
        edges: uint64 (slots,), 0 everywhere: gets the node before << 35 | code point << 17 | leaf << 16 | cost.

    A node is the slot of the edge that leads to it, or `_root` of a first code point. Eight bytes an edge: the cuts'
    time is that of fetching them, which is why leaves are told: no edge is looked for behind them.
    """
    mask = len(edges) - 1
    for cutter in range(len(begins) - 1):
        at = begins[cutter]
        while at < begins[cutter + 1]:
            state, slot, point, first, length = np.int64(0), np.int64(0), np.int64(0), np.int64(0), 0
            key = np.uint64(0)
            while data[at] != 9:
                byte = np.int64(data[at])
                size = 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
                point = byte if size == 1 else byte & (0x7F >> size)
                for k in range(1, size):
                    point = (point << 6) | (np.int64(data[at + k]) & 0x3F)
                at += size
                length += 1
                if length == 1:
                    first = point
                    if roots[cutter, first] < 0:
                        roots[cutter, first] = NO_WORD | LEAF
                    state = _root(cutter, point, mask)
                    continue
                key = (np.uint64(state) << np.uint64(18)) | np.uint64(point)
                slot = slot_of(key, mask)
                while edges[slot] != 0 and edges[slot] >> np.uint64(COST_BITS) != key:
                    slot = (slot + 1) & mask
                if edges[slot] == 0:
                    edges[slot] = (key << np.uint64(COST_BITS)) | np.uint64(NO_WORD | LEAF)
                    if length == 2:
                        roots[cutter, first] &= ~LEAF
                    else:
                        edges[state] &= ~np.uint64(LEAF)
                state = slot
            at += 1
            cost = 0
            while data[at] != 10:
                cost = 10 * cost + np.int64(data[at]) - 48
                at += 1
            at += 1
            if length == 1:
                roots[cutter, first] = (roots[cutter, first] & LEAF) | cost
            else:
                edges[slot] = (edges[slot] & ~np.uint64(NO_WORD)) | np.uint64(cost)


@njit(cache=True)
def _root(cutter, point, mask):  # pragma: no cover - compiled
    """The node of a first code point: a number beyond all slots."""
    return np.int64(mask + 1 + cutter * ROOTS + point)


@njit(cache=True, nogil=True, boundscheck=False)
def _is_katakana(point):  # pragma: no cover - compiled
    return 0x30A1 <= point <= 0x30FF and point != 0x30FB


@njit(cache=True, nogil=True, boundscheck=False)
def _cut(place, n, cutter, codes, cutting, scratch):  # pragma: no cover - compiled
    """Mark the cuts of the clause around a place: its most probable division into words of the dictionary.

    Of two equally probable ones that with the longer last word, and so on from there. A character in no dictionary is a
    word of its own, a run of katakana that is in none may be one.
    """
    _, roots, edges = cutting
    points, cuts, best, back = scratch
    mask = len(edges) - 1
    begin, end = place, place + 1
    while begin > 0 and codes[begin - 1] & CLAUSE:
        begin -= 1
    while end < n and codes[end] & CLAUSE:
        end += 1
    for k in range(begin, end + 1):
        best[k] = _FAR
    best[begin] = 0
    for k in range(begin, end):
        cost = best[k] + UNKNOWN
        if _is_katakana(points[k]):
            cost += UNKNOWN
            if k == begin or not _is_katakana(points[k - 1]):
                run = k + 1
                while run < end and _is_katakana(points[run]):
                    run += 1
                if best[k] + UNKNOWN_RUN < best[run]:
                    best[run], back[run] = best[k] + UNKNOWN_RUN, k
        if cost < best[k + 1]:
            best[k + 1], back[k + 1] = cost, k
        if points[k] >= ROOTS:
            continue
        ends = np.int64(roots[cutter, points[k]])
        node = _root(cutter, np.int64(points[k]), mask)
        at = k + 1
        while ends >= 0:
            cost = ends & NO_WORD
            if cost != NO_WORD and best[k] + cost < best[at]:
                best[at], back[at] = best[k] + cost, k
            if at == end or ends & LEAF:
                break
            edge = (np.uint64(node) << np.uint64(18)) | np.uint64(points[at])
            at += 1
            slot = slot_of(edge, mask)
            ends = np.int64(-1)
            while edges[slot] != 0:
                if edges[slot] >> np.uint64(COST_BITS) == edge:
                    ends, node = np.int64(edges[slot] & np.uint64(NO_WORD | LEAF)), slot
                    break
                slot = (slot + 1) & mask
    bit, end_bit = np.uint8(1 << cutter), np.uint8(16 << cutter)
    for k in range(begin, end):
        cuts[k] |= end_bit
    at = end
    while at > begin:
        at = back[at]
        cuts[at] |= bit


@njit(cache=True, nogil=True, boundscheck=False)
def _emit(form, place, doc, stamp, forms, places, n_hits, group_begins, groups):  # pragma: no cover - compiled
    """Note the form's words; the number of hits, or -2 where the room for places does not suffice."""
    every = len(places) > 0
    for k in range(group_begins[form], group_begins[form + 1]):
        group = groups[k]
        if every:
            if n_hits == len(places):
                return -2
            places[n_hits] = place
        elif stamp[group] == doc:
            continue
        stamp[group] = doc
        forms[n_hits] = group
        n_hits += 1
    return n_hits


@njit(cache=True, nogil=True, boundscheck=False)
def _equals_form(form, begin, end, codes, offsets, spell_ids):  # pragma: no cover - compiled
    begin_form = offsets[form]
    if offsets[form + 1] - begin_form != end - begin:
        return False
    for k in range(end - begin):  # noqa: SIM110 (numba)
        if spell_ids[begin_form + k] != codes[begin + k] >> BITS:
            return False
    return True


@njit(cache=True, nogil=True, boundscheck=False)
def _match_affixed(begin, end, doc, codes, words, affixes, ends, hits, n_hits):  # pragma: no cover - compiled
    """The forms that the run codes[begin:end] is between a prefix and a suffix of their class.

    `ends` is scratch, uint64 with room for the run: classes that have as a suffix what stands from each place on.
    """
    _, (run_keys, run_forms), offsets, spell_ids, kinds, _, group_begins, groups = words
    stamp, forms, places = hits
    keys, states, masks, any_suffix = affixes
    run_mask = len(run_keys) - 1
    for k in range(begin, end + 1):
        ends[k] = 0
    state, at = 1, end
    while state >= 0:
        ends[at] = masks[state]
        if at == begin + 1:
            break
        at -= 1
        state = next_state(state, codes[at] >> BITS, keys, states)
    state, begin_run = 0, begin
    while state >= 0 and begin_run < end:
        classes = masks[state]
        if classes:
            key = HASH_START
            for at_end in range(begin_run, end):
                if codes[at_end] >> BITS == 0:
                    break
                key = (key ^ np.uint64(codes[at_end] >> BITS)) * HASH_PRIME
                classes_here = classes & (ends[at_end + 1] | any_suffix[0])
                if not classes_here:
                    continue
                slot = slot_of(key, run_mask)
                while run_forms[slot] >= 0:
                    form = run_forms[slot]
                    if (
                        run_keys[slot] == key
                        and (classes_here >> np.uint64(kinds[form] - FIRST_CLASS)) & np.uint64(1)
                        and _equals_form(form, begin_run, at_end + 1, codes, offsets, spell_ids)
                    ):
                        n_hits = _emit(form, begin_run, doc, stamp, forms, places, n_hits, group_begins, groups)
                        if n_hits < 0:
                            return n_hits
                    slot = (slot + 1) & run_mask
        state = next_state(state, codes[begin_run] >> BITS, keys, states)
        begin_run += 1
    return n_hits


@njit(cache=True, nogil=True)
def point_at(data, at):  # pragma: no cover - compiled
    """The code point that begins at a byte, and where the next one begins."""
    byte = np.uint32(data[at])
    if byte < 0x80:
        return byte, at + 1
    second = np.uint32(data[at + 1]) & 0x3F
    if byte < 0xE0:
        return ((byte & 0x1F) << 6) | second, at + 2
    third = np.uint32(data[at + 2]) & 0x3F
    if byte < 0xF0:
        return ((byte & 0x0F) << 12) | (second << 6) | third, at + 3
    return ((byte & 0x07) << 18) | (second << 12) | (third << 6) | (np.uint32(data[at + 3]) & 0x3F), at + 4


@njit(cache=True, nogil=True, boundscheck=False)
def find_in_document(data, begin, end, sure, doc, tables, scratch, hits):  # pragma: no cover - compiled
    """Search the words in one document, write them into `hits`, and return their number.

    If `places` is empty, each word is written once; else every occurrence, with the number of the token at which it
    begins. Returns -1 if the text must first be normalised to composed characters (NFC), -2 if `places` is too short.

    Args:
        data: uint8 UTF-8 bytes; the document is data[begin:end].
        sure: the document is known to be in NFC.
        doc: number of this document; stamp[w] (words,) int64 is set to it when word w occurs.
        tables: the compiled words (`match`).
        scratch: arrays with room for one entry per byte and one more, codes (uint32), numbers (int64), and for cutting
            points (uint32), cuts (uint8), best and back (int32); those of no use may be empty.
        hits: stamp, the numbers of the words (int32), and places (int32).
    """
    table, folds, is_inner, words, trie, affixes, cutting = tables
    codes, starts, cut_scratch, ends = scratch
    points, cuts = cut_scratch[0], cut_scratch[1]
    folded_points = cutting[0]
    has_cutters, has_affixes = len(folded_points) > 0, len(affixes[0]) > 1
    (run_keys, run_forms), _, offsets, spell_ids, _, only, group_begins, groups = words
    stamp, forms, places = hits
    every, run_mask, n_forms = len(places) > 0, len(run_keys) - 1, len(only)
    inner = np.uint32(BEGINS if is_inner else 0)
    n, n_starts, n_hits, run_begin = 0, 0, 0, -1
    last_mark, is_clean = False, True
    key = HASH_START
    at = begin
    while at <= end:
        code = np.uint32(0)  # one step past the end, a boundary closes the last run
        if at < end:
            point, at = point_at(data, at)
            code = table[point]
            if not sure and point >= 0xC0:
                mark = (code & MARK) != 0
                if (code & UNSURE) != 0 or (mark and last_mark):
                    return -1
                last_mark = mark
            if code & (SKIP | SPACE) and (code & SKIP or (folds and n > 0 and codes[n - 1] & SPACE)):
                continue
            if has_cutters and code & CLAUSE:
                points[n] = folded_points[point]
                cuts[n] = 0
        else:
            at += 1
        codes[n] = code
        if code & BEGINS and (is_inner or run_begin < 0 or not code & JOINING):
            starts[n_starts] = n
            n_starts += 1
        if code & JOINING:
            if run_begin < 0:
                run_begin = n
                key = HASH_START
                is_clean = True
            char = code >> BITS
            is_clean = is_clean and char != 0
            key = (key ^ np.uint64(char)) * HASH_PRIME
            while at < end and data[at] < 0x80:  # most letters of most texts: nothing else can be true of them
                code = table[data[at]]
                if not code & JOINING or code & inner:
                    break
                at += 1
                n += 1
                codes[n] = code
                char = code >> BITS
                is_clean = is_clean and char != 0
                key = (key ^ np.uint64(char)) * HASH_PRIME
        elif run_begin >= 0:
            slot, is_head = slot_of(key, run_mask), False
            while is_clean and run_forms[slot] >= 0:
                form = run_forms[slot]
                if form >= n_forms:
                    is_head = is_head or run_keys[slot] == key
                elif run_keys[slot] == key and (every or only[form] < 0 or stamp[only[form]] != doc):
                    begin_form = offsets[form]
                    is_whole = offsets[form + 1] - begin_form == n - run_begin
                    k = 0
                    while is_whole and k < n - run_begin:
                        is_whole = spell_ids[begin_form + k] == codes[run_begin + k] >> BITS
                        k += 1
                    if is_whole and not every and only[form] >= 0:
                        stamp[only[form]] = doc
                        forms[n_hits] = only[form]
                        n_hits += 1
                    elif is_whole:
                        n_hits = _emit(form, run_begin, doc, stamp, forms, places, n_hits, group_begins, groups)
                        if n_hits < 0:
                            return n_hits
                slot = (slot + 1) & run_mask
            if is_head and not codes[run_begin] & BEGINS:
                starts[n_starts] = run_begin
                n_starts += 1
            if has_affixes and codes[run_begin] & AFFIX:
                n_hits = _match_affixed(run_begin, n, doc, codes, words, affixes, ends, hits, n_hits)
                if n_hits < 0:
                    return n_hits
            run_begin = -1
        n += 1
    n -= 1  # without the closing boundary
    n_hits = _follow(n, n_starts, n_hits, doc, codes, starts, cut_scratch, hits, words, trie, cutting)
    if every and n_hits >= 0:
        _number(n, n_hits, codes, starts, places)
    return n_hits


@njit(cache=True, nogil=True, boundscheck=False)
def _number(n, n_hits, codes, numbers, places):  # pragma: no cover - compiled
    """Bring places from code points to tokens (`words.meet`); `numbers` is scratch, int64 (n,)."""
    token, is_open = np.int64(0), False
    for k in range(n):
        joining = (codes[k] & JOINING) != 0
        if not (codes[k] & SPACE) and not (joining and is_open):
            token += 1
        is_open = joining
        numbers[k] = token
    for k in range(n_hits):
        places[k] = numbers[places[k]]


@njit(cache=True, nogil=True, boundscheck=False)
def _follow(
    n, n_starts, n_hits, doc, codes, starts, cut_scratch, hits, words, trie, cutting
):  # pragma: no cover - compiled
    """Follow the trie from each place where a form that is no run may begin."""
    root, root_kinds, edge_keys, edge_states, end_begins, end_forms = trie
    kinds, only, group_begins, groups = words[4], words[5], words[6], words[7]
    stamp, forms, places = hits
    every, mask, cuts = len(places) > 0, len(edge_keys) - 1, cut_scratch[1]
    for s in range(n_starts):
        begin = at = starts[s]
        first_code, code_before = codes[at], codes[at - 1] if at > 0 else np.uint32(0)
        state, cutters = root[codes[at] >> BITS], root_kinds[codes[at] >> BITS]
        if cutters < OTHER_KINDS and first_code & CLAUSE and cuts[begin] & (cutters << 4 | cutters) == cutters << 4:
            continue  # the clause is cut by all of them, and not here
        while state >= 0:
            at += 1
            for k in range(end_begins[state], end_begins[state + 1]):
                form = end_forms[k]
                group, kind = only[form], kinds[form]
                if group >= 0 and stamp[group] == doc and not every:
                    continue
                code_after = codes[at] if at < n else np.uint32(0)
                if kind == LETTERS and (code_before & JOINING or code_after & JOINING):
                    continue
                if kind >= SCRIPT and (first_code & code_before & JOINING or codes[at - 1] & code_after & JOINING):
                    continue
                if kind >= FIRST_CUTTER:
                    bit, end_bit = np.uint8(1 << (kind - FIRST_CUTTER)), np.uint8(16 << (kind - FIRST_CUTTER))
                    if first_code & code_before & CLAUSE:
                        if not cuts[begin] & end_bit:
                            _cut(begin, n, kind - FIRST_CUTTER, codes, cutting, cut_scratch)
                        if not cuts[begin] & bit:
                            continue
                    if codes[at - 1] & code_after & CLAUSE:
                        if not cuts[at] & end_bit:
                            _cut(at, n, kind - FIRST_CUTTER, codes, cutting, cut_scratch)
                        if not cuts[at] & bit:
                            continue
                if group >= 0 and not every:
                    stamp[group] = doc
                    forms[n_hits] = group
                    n_hits += 1
                else:
                    n_hits = _emit(form, begin, doc, stamp, forms, places, n_hits, group_begins, groups)
                    if n_hits < 0:
                        return n_hits
            if at == n:
                break
            char = codes[at] >> BITS
            if char == 0:
                break
            edge = (np.uint64(state) << np.uint64(32)) | np.uint64(char)
            slot = slot_of(edge, mask)
            state = -1
            while edge_states[slot] >= 0:
                if edge_keys[slot] == edge:
                    state = edge_states[slot]
                    break
                slot = (slot + 1) & mask
    return n_hits


@njit(cache=True, nogil=True)
def find_in_documents(data, offsets, sure, tables, scratch, hits, out_rows, out_words):  # pragma: no cover - compiled
    """The document and the word of each hit, and the documents that must first be normalised to NFC."""
    n, unsure = 0, 0
    retry = np.empty(len(offsets) - 1, np.int64)
    forms = hits[1]
    for row in range(len(offsets) - 1):
        n_hits = find_in_document(data, offsets[row], offsets[row + 1], sure, row, tables, scratch, hits)
        if n_hits < 0:
            retry[unsure] = row
            unsure += 1
            continue
        if n + n_hits > len(out_rows):
            size = max(2 * len(out_rows), n + n_hits)
            more_rows, more_words = np.empty(size, np.int64), np.empty(size, np.int32)
            more_rows[:n] = out_rows[:n]
            more_words[:n] = out_words[:n]
            out_rows, out_words = more_rows, more_words
        for k in range(n_hits):
            out_rows[n] = row
            out_words[n] = forms[k]
            n += 1
    return out_rows[:n].copy(), out_words[:n].copy(), retry[:unsure].copy()
