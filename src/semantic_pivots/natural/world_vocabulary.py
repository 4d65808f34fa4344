"""The vocabulary of a natural world: whole lexicon words, byte-level pieces of the corpus for the rest, and marks.

A word of a concept is one token wherever it stands as a word, so that P(target) is one number and a window is exact.
Text is lower-cased: a capital at the beginning of a sentence would make another token of the same word.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from semantic_pivots.errors import InputError
from semantic_pivots.languages import language
from semantic_pivots.pivots.own_words import is_form, plain
from semantic_pivots.words import normalise

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend

END, MASK = "</s>", "<mask>"
_READ_FOR_PIECES = 50_000
"""Texts that pieces are trained on, at most; documents come in a random order."""


@dataclass(frozen=True)
class Vocabulary:
    """Ids of a natural world.

    Attributes:
        tokenizer: a tokenizer of the library tokenizers.
        word_ids: id of each normalised lexicon word.
        marks: id of each language's mark, which precedes a word of that language in a dictionary document.
        spikes: ids of the private tokens of the positive control, as many as a quarter of the concepts need.
    """

    tokenizer: Backend
    word_ids: dict[str, int]
    marks: dict[str, int]
    end: int
    mask: int
    spikes: np.ndarray

    @property
    def size(self) -> int:
        """Number of ids."""
        return int(self.tokenizer.get_vocab_size())

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """uint16 ids of texts; the name of a mark in a text is encoded as ordinary letters."""
        return [np.array(encoding.ids, np.uint16) for encoding in self.tokenizer.encode_batch_fast(list(texts))]

    def texts(self) -> list[str]:
        """The text of every id; an incomplete character is U+FFFD, and so is the text of a mark."""
        special = {self.end, self.mask, *self.marks.values(), *self.spikes.tolist()}
        strings = self.tokenizer.decode_batch([[i] for i in range(self.size)], skip_special_tokens=False)
        return ["\ufffd" if i in special else text for i, text in enumerate(strings)]


def vocabulary(
    texts: Iterable[str], words: dict[str, str], languages: Sequence[str], size: int, spikes: int
) -> Vocabulary:
    """A vocabulary of lexicon words, and of pieces trained on texts.

    Args:
        texts: texts on which the pieces are trained.
        words: language of each normalised word; in a language with spaces only whole words match.
        languages: the languages; each gets a mark.
        size: number of words and pieces together.
        spikes: number of private tokens.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=max(size - len(words), len(alphabet) + 64), initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(itertools.islice(texts, _READ_FOR_PIECES), trainer)
    tokenizer.add_tokens(
        [
            AddedToken(word, single_word=language(code).has_spaces, lstrip=language(code).has_spaces, normalized=True)
            for word, code in sorted(words.items())
        ]
    )
    marks = [END, MASK, *(f"<{code}>" for code in languages), *(f"<spike-{k}>" for k in range(spikes))]
    tokenizer.add_special_tokens([AddedToken(mark, normalized=False) for mark in marks])
    tokenizer.encode_special_tokens = True

    def id_of(text: str) -> int:
        number = tokenizer.token_to_id(text)
        if number is None:
            raise InputError(f"natural: the vocabulary has no token {text!r}")
        return number

    ids = {mark: id_of(mark) for mark in marks}
    return Vocabulary(
        tokenizer,
        {word: id_of(word) for word in words},
        {code: ids[f"<{code}>"] for code in languages},
        ids[END],
        ids[MASK],
        np.array([ids[f"<spike-{k}>"] for k in range(spikes)], np.uint16),
    )


def forms(texts: Sequence[str], words: Iterable[str]) -> dict[str, list[int]]:
    """For each word, the ids of the tokens that may be a form of it or its stem, by spelling; its own id is included.

    Args:
        texts: the text of every id (`Vocabulary.texts`).
        words: the words.
    """
    by_head: dict[str, list[tuple[int, str]]] = {}
    for i, text in enumerate(texts):
        bare = plain(text)
        if len(bare) >= 3 and "\ufffd" not in bare and (text.startswith(" ") or len(bare) == len(text)):
            by_head.setdefault(bare[:2], []).append((i, bare))
    forms_of = {}
    for word in words:
        name = normalise(word)
        forms_of[word] = [i for i, bare in by_head.get(name[:2], ()) if bare == name or is_form(bare, name)]
    return forms_of
