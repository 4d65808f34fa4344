"""What a model would answer after every layer, over a benchmark (METHOD §2).

The position read is the one that predicts the answer's first content token: the last token of the prompt, or, where the
tokenizer emits a lone space before the word, that space. Of each layer the top tokens, the entropy and the masses of
token sets are kept; layers x positions x vocabulary never exist together.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from semantic_pivots.lexicon.concepts import words_by_concept
from semantic_pivots.models.protocols import Tokenizer
from semantic_pivots.models.trace_stage import TraceConfig
from semantic_pivots.run import Inputs, Work
from semantic_pivots.tables import SCHEMAS
from semantic_pivots.tasks import questions
from semantic_pivots.tasks.case import Case
from semantic_pivots.tasks.shuffled_pivots import shuffled_pivots
from semantic_pivots.tasks.translation import Item, items_of

if TYPE_CHECKING:
    import torch

    from semantic_pivots.models.lens import Lens

_PART_ITEMS = 64
_GRID = 512
_HEAD_ROWS = 64  # of one product with the head, on a CPU
_SLICE_NUMBERS = 1 << 22  # of logits whose probabilities exist together on a CPU: 16 MB of float32
_ACCELERATOR_NUMBERS = 1 << 28  # the same, and of one product with the head, elsewhere: 1 GB of float32


def word_tokens(tokenizer: Tokenizer, words: Sequence[str]) -> set[int]:
    """Ids of all pieces of the words, with and without a leading space; special tokens and lone spaces left out."""
    texts = [form for word in words for form in (word, " " + word)]
    ids = {i for row in tokenizer(texts, add_special_tokens=False)["input_ids"] for i in row}
    return {i for i in ids - set(tokenizer.all_special_ids) if tokenizer.decode([i]).strip()}


def first_tokens(tokenizer: Tokenizer, words: Sequence[str]) -> set[int]:
    """Ids of the first piece of each word, with and without a leading space; a lone space is skipped."""
    if not words:
        return set()
    texts = [form for word in words for form in (word, " " + word)]
    tokens = set()
    for row in tokenizer(texts, add_special_tokens=False)["input_ids"]:
        tokens |= {next((i for i in row if tokenizer.decode([i]).strip()), -1)}
    return tokens - {-1}


def pivot_tokens(tokenizer: Tokenizer, pivots: pa.Table) -> dict[str, list[int]]:
    """Token ids of each item's pivots, those of the best pivot first; for a pivot that is a word, its first pieces."""
    of_word: dict[str, list[int]] = {}
    tokens: dict[str, dict[int, None]] = {}
    for row in sorted(pivots.select(["item_id", "token", "text", "rank"]).to_pylist(), key=lambda r: r["rank"]):
        if row["token"] is None and row["text"] not in of_word:
            of_word[row["text"]] = sorted(first_tokens(tokenizer, [row["text"]]))
        ids = of_word[row["text"]] if row["token"] is None else [row["token"]]
        tokens.setdefault(row["item_id"], {}).update(dict.fromkeys(ids))
    return {item: list(ids) for item, ids in tokens.items()}


def prefix_tokens(tokenizer: Tokenizer, word: str) -> set[int]:
    """Ids of tokens that may begin a word (Wendler et al. 2402.10588): those whose text is a prefix of it, with and
    without a leading space, and the first piece of the word itself, which may be a byte."""
    prefixes = [space + word[:end] for end in range(1, len(word) + 1) for space in ("", " ")]
    rows = tokenizer(prefixes, add_special_tokens=False)["input_ids"]
    single = {row[0] for row in rows if len(row) == 1 and tokenizer.decode(row).strip()}
    return single | first_tokens(tokenizer, [word])


def _words_of(items: Sequence[Item], words: pa.Table, languages: Sequence[str]) -> dict[str, dict[str, str]]:
    """For each item, the word of its concept in each language: from the lexicon, and the item's own two words."""
    of_concept = words_by_concept(words)
    return {
        item.item_id: {c: word for c, word in of_concept.get(item.concept_id, {}).items() if c in languages}
        | {item.target_language: item.target}
        | {item.source_language: item.source}
        for item in items
    }


def trace_stage(config: TraceConfig, inputs: Inputs, work: Work) -> dict[str, pa.Table]:
    """Read every item's answer position through the lens (table `trace`); a study without a corpus has no pivots.

    Raises:
        InputError: an unknown lens, or a model of which the lens cannot be made.
    """
    from semantic_pivots.models.lens import load_lens

    items, words = items_of(inputs.table("items")), inputs.table("words")
    pivots = inputs.table("pivots") if inputs.has("pivots") else SCHEMAS["pivots"].empty_table()
    model, lens = load_lens(config.model, config.dtype, config.cache, config.blocks, readable=True)
    parts = []
    with work.progress(len(items), "items", "trace") as progress:
        for begin, read in trace_parts(items, words, pivots, lens, model.tokenizer, config):
            parts.append(work.part(f"part-{begin:06d}", read))
            progress.advance(min(_PART_ITEMS, len(items) - begin))
    work.note("layers", lens.layers)
    return {"trace": pa.concat_tables(parts)}


def trace_parts(
    items: Sequence[Item], words: pa.Table, pivots: pa.Table, lens: Lens, tokenizer: Tokenizer, config: TraceConfig
) -> Iterator[tuple[int, Callable[[], pa.Table]]]:
    """For each part of a trace, the number of its first item and a function that returns its rows of the table `trace`.

    Args:
        items: the items.
        words: the table `words`, from which the shots are drawn.
        pivots: the table `pivots`; an item may have none.
        lens: the lens of the model.
        tokenizer: the model's tokenizer.
        config: shots, seed, lenses, and number of tokens stored per layer; its key `model` is not used.
    """
    from semantic_pivots.models.readouts import readouts

    cases = questions.cases(items, words, config.shots, config.seed)
    sets = Sets(words, pivots, items, cases, tokenizer, config.seed)
    reader = Reader(lens, readouts(lens, tokenizer, config.lenses), tokenizer, sets, config)
    for begin in range(0, len(cases), _PART_ITEMS):
        yield begin, functools.partial(reader.read, cases[begin : begin + _PART_ITEMS])


class Sets:
    """Token sets of every case: source, target, pivots (without both words), another item's pivots, each language."""

    def __init__(
        self,
        words: pa.Table,
        pivots: pa.Table,
        items: Sequence[Item],
        cases: Sequence[Case],
        tokenizer: Tokenizer,
        seed: int,
    ):
        self.source = {case.case_id: word_tokens(tokenizer, case.sources) for case in cases}
        self.target = {case.case_id: word_tokens(tokenizer, case.targets) for case in cases}
        self.pivot = self._of(pivot_tokens(tokenizer, pivots))
        self.null = self._of(pivot_tokens(tokenizer, shuffled_pivots(pivots, items, seed)))
        self.languages = sorted({code for item in items for code in item.direction})
        by_item = _words_of(items, words, self.languages)
        self.language, self.elsewhere = {}, {}
        for item in items:
            by_code = by_item[item.item_id]
            sets = {
                code: prefix_tokens(tokenizer, by_code[code]) if code in by_code else set() for code in self.languages
            }
            ambiguous = {t for t, n in Counter(t for tokens in sets.values() for t in tokens).items() if n > 1}
            self.language[item.item_id] = {code: tokens - ambiguous for code, tokens in sets.items()}
            item_tokens = self.source[item.item_id] | self.target[item.item_id]
            further_words = [by_code[code] for code in self.languages if code in by_code and code not in item.direction]
            self.elsewhere[item.item_id] = first_tokens(tokenizer, further_words) - item_tokens

    def _of(self, pivots: dict[str, list[int]]) -> dict[str, set[int]]:
        item_tokens = {item: self.source.get(item, set()) | self.target.get(item, set()) for item in pivots}
        return {item: set(ids) - item_tokens[item] for item, ids in pivots.items()}


class Reader:
    """Reads blocks of cases into trace rows."""

    def __init__(self, lens: Lens, ways: Sequence[Any], tokenizer: Tokenizer, sets: Sets, config: TraceConfig):
        self.lens, self.ways, self.tokenizer, self.sets, self.config = lens, ways, tokenizer, sets, config

    def read(self, cases: Sequence[Case]) -> pa.Table:
        """The trace rows of some cases, in their order."""
        import torch

        with torch.inference_mode():
            return self._tables(cases)

    def _tables(self, cases: Sequence[Case]) -> pa.Table:
        import torch

        from semantic_pivots.models.network import padded_ids
        from semantic_pivots.models.tokens import read_ids

        if self.lens.kind == "causal":
            rows = read_ids(self.tokenizer, [case.prompt for case in cases], [case.answer for case in cases])
            longest = max(map(len, rows))
        else:
            rows, longest = [], self.lens.question(self.tokenizer, [case.prompt for case in cases])[0].shape[1]
        width = max(1, min(len(cases), self.config.batch_tokens // longest))
        tables = []
        for begin in range(0, len(cases), width):
            block = slice(begin, begin + width)
            device = self.lens.network.device
            if rows:
                places = torch.tensor([len(row) - 1 for row in rows[block]], device=device)
                residuals = self.lens.residuals(padded_ids(rows[block], device), places)
            else:
                question = self.lens.question(self.tokenizer, [case.prompt for case in cases[block]])
                residuals = self.lens.residuals(*question)
            sets = _Block(self.sets, cases[block], device, self.lens.network.vocabulary)
            for way in self.ways:
                finals = torch.cat([way.final(layer, rows) for layer, rows in enumerate(residuals)])
                tables.append(sets.rows(finals, self.lens.network.logits, self.config.top, way.name))
        table = pa.concat_tables(tables)
        order = {case.case_id: i for i, case in enumerate(cases)}
        place = {way.name: i for i, way in enumerate(self.ways)}
        columns = (table[name].to_pylist() for name in ("item_id", "lens", "layer"))
        keys = [(order[i], place[lens], k) for i, lens, k in zip(*columns, strict=True)]
        return table.take(pa.array(sorted(range(len(keys)), key=keys.__getitem__)))


class _Block:
    """The token sets of the cases of one forward pass, laid out once so that every layer gathers them together."""

    def __init__(self, sets: Sets, cases: Sequence[Case], device: torch.device, vocabulary: int):
        import torch

        self.on_cpu = device.type == "cpu"
        numbers = _SLICE_NUMBERS if self.on_cpu else _ACCELERATOR_NUMBERS
        self.slice_rows = max(1, numbers // vocabulary)
        self.head_rows = _HEAD_ROWS if self.on_cpu else max(_HEAD_ROWS, self.slice_rows)
        self.names = [case.case_id for case in cases]
        self.codes = sets.languages
        sets_of_case = [
            [of.get(name, set()) for of in (sets.source, sets.target, sets.pivot, sets.null)]
            + [sets.language[name][code] for code in self.codes]
            for name in self.names
        ]
        longest = max((len(tokens) for row in sets_of_case for tokens in row), default=0)
        index = torch.zeros((len(sets_of_case), len(sets_of_case[0]), max(1, longest)), dtype=torch.long)
        self.sizes = np.array([[len(tokens) for tokens in row] for row in sets_of_case])
        for row, several in enumerate(sets_of_case):
            for column, tokens in enumerate(several):
                index[row, column, : len(tokens)] = torch.tensor(sorted(tokens), dtype=torch.long)
        self.index = index.to(device)
        is_member = torch.arange(index.shape[2])[None, None] < torch.tensor(self.sizes)[:, :, None]
        self.is_member = is_member.to(device)
        self.language_of_token = [
            {t: code for code, tokens in sets.language[n].items() for t in tokens} for n in self.names
        ]
        self.elsewhere = [sets.elsewhere[name] for name in self.names]

    def rows(self, finals: torch.Tensor, head: Callable[[torch.Tensor], torch.Tensor], top: int, lens: str) -> pa.Table:
        """Trace rows of all layers from (layers x cases, width) rows for the head, layer by layer.

        The rows of many layers go through the head in one product, a slice at a time. Each product reads the head's
        weights from memory; with few rows in a product the cores would wait for them.
        """
        parts = [self._read(head(part), start, top) for start, part in _slices(finals, self.head_rows)]
        ids, values, entropy, masses = (np.concatenate(column) for column in zip(*parts, strict=True))
        count, width = ids.shape
        layers = count // len(self.names)
        empty = np.tile(self.sizes == 0, (layers, 1))
        offsets = pa.array(np.arange(0, count * width + 1, width), pa.int32())
        constants = {
            f"mass_{name}": pa.array(masses[:, k], pa.float32(), mask=empty[:, k])
            for k, name in enumerate(("source", "target", "pivot", "pivot_null"))
        }
        by_language = np.ascontiguousarray(masses[:, len(constants) :]).ravel()
        first = ids[:, 0].tolist()
        ends = pa.array(np.arange(count + 1) * len(self.codes), pa.int32())
        columns = {
            "item_id": self.names * layers,
            "lens": [lens] * count,
            "layer": pa.array(np.repeat(np.arange(layers), len(self.names)), pa.int32()),
            "top_ids": pa.ListArray.from_arrays(offsets, pa.array(ids.ravel(), pa.int32())),
            "top_probs": pa.ListArray.from_arrays(offsets, pa.array(values.ravel(), pa.float32())),
            "entropy": pa.array(entropy, pa.float32()),
            **constants,
            "languages": [self.codes] * count,
            "mass_languages": pa.ListArray.from_arrays(ends, pa.array(by_language, pa.float32())),
            "top_language": [
                codes.get(token, "") for codes, token in zip(self.language_of_token * layers, first, strict=True)
            ],
            "off_target_correct": [token in codes for codes, token in zip(self.elsewhere * layers, first, strict=True)],
        }
        return pa.table(columns, schema=SCHEMAS["trace"])

    def _read(self, logits: torch.Tensor, start: int, top: int) -> tuple[np.ndarray, ...]:
        """Top ids and probabilities, entropy in nats, masses of the sets, of the rows from `start` on."""
        import torch

        from semantic_pivots.models.distribution import check_numbers

        parts = []
        for begin, part in _slices(logits, self.slice_rows):
            part = part.float()
            probs = torch.softmax(part, dim=-1)
            ids, best = _largest(part, top)
            top_probs = probs.gather(1, ids)
            check_numbers(~top_probs[:, 0].isnan(), "layer's reading", logits.dtype)
            # the logarithm of the sum, read off the best token; then -sum p log p without another pass
            total = best[:, 0] - top_probs[:, 0].log()
            entropy = total - self._products(probs, part)
            if bool(entropy.isnan().any()):  # tokens that a model rules out: 0 times -inf
                entropy = torch.special.entr(probs).sum(dim=-1)
            cases = (torch.arange(len(part), device=part.device) + start + begin) % len(self.names)
            index = self.index[cases]
            masses = (probs.gather(1, index.flatten(1)).view(index.shape) * self.is_member[cases]).sum(dim=-1)
            parts.append(tuple(p.cpu().numpy() for p in (ids, top_probs, entropy, masses)))
        return tuple(np.concatenate(column) for column in zip(*parts, strict=True))

    def _products(self, probs: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        """(rows,) sums of probability times logit: on a CPU row by row, which takes no memory; elsewhere at once."""
        import torch

        if not self.on_cpu:
            return torch.linalg.vecdot(probs, logits)
        return torch.stack([torch.dot(p, x) for p, x in zip(probs, logits, strict=True)])


def _largest(values: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and values of the largest numbers of each row, (rows, count), the largest first.

    The columns of a grid that hold the largest numbers are among the `count` columns with the largest maxima; looking
    there takes a third of the time of a search through whole rows.
    """
    import torch

    size = values.shape[1]
    height = size // _GRID
    if count > _GRID or height < count:
        best = values.topk(count, dim=-1)
        return best.indices, best.values
    even = height * _GRID
    grid = values[:, :even].unflatten(1, (height, _GRID))
    columns = grid.amax(1).topk(count, dim=-1).indices[:, None]
    places = torch.arange(height, device=values.device)[None, :, None] * _GRID + columns
    remainder = torch.arange(even, size, device=values.device).expand(len(values), -1)
    ids = torch.cat([places.flatten(1), remainder], 1)
    best = values.gather(1, ids).topk(count, dim=-1)
    return ids.gather(1, best.indices), best.values


def _slices(rows: torch.Tensor, width: int) -> Iterator[tuple[int, torch.Tensor]]:
    """A few rows at a time, with the number of the first."""
    for start in range(0, len(rows), width):
        yield start, rows[start : start + width]
