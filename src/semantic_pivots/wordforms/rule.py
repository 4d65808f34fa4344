"""The rule by which a word occurs: as its spelling, or as any of its forms.

A form is a text with its edges: what may stand beside it. A word occurs where one of its forms does.

- `letters`: no letter or mark of a script with spaces touches it;
- `any`: whatever stands beside it;
- `script`: a letter of a script with spaces may not touch another one, everything else may;
- a dictionary (`zh`, `ja`, `th`): as `script`, and where letters of scripts without spaces stand on both sides of an
  edge, the text's most probable division into words of that dictionary (`cutting`) is cut there;
- a class of affixes (`ko-noun`): what remains of the run of letters around it is a prefix and a suffix of the class
  (`affixes`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from semantic_pivots import words
from semantic_pivots.languages import language
from semantic_pivots.wordforms import affixes, cutting

Word = tuple[str, str]


class Form(NamedTuple):
    """A text by which a word is matched, and the condition on its edges."""

    text: str
    edges: str


@dataclass(frozen=True)
class Rule:
    """How words are matched; equal where name and digest are.

    Args:
        name: `spelling` (the word as written, in NFC and lower case) or `forms` (texts and words folded, `words.fold`).
        digest: digest of the table of forms.
        table: forms of words; a word that is not in it has its own spelling as its only form.
        signatures: by language, the rule with its version and its sources.
    """

    name: str = "spelling"
    digest: str = ""
    table: Mapping[Word, tuple[Form, ...]] = field(default_factory=dict, compare=False, repr=False)

    signatures: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def folds(self) -> bool:
        """Whether texts are folded before words are looked for."""
        return self.name == "forms"

    def signature(self, *codes: str) -> str:
        """The rule, its version and its sources for words of these languages."""
        return " + ".join(dict.fromkeys(self.signatures.get(code, self.name) for code in codes))

    def forms(self, word: Word) -> tuple[Form, ...]:
        """The forms of a word; none of one that is empty.

        Raises:
            InputError: the language is unknown.
        """
        forms = self.table.get(word)
        return (own_form(word, self.folds),) if forms is None else forms


SPELLING = Rule()


def own_form(word: Word, folds: bool) -> Form:
    """A word's own spelling as a form."""
    text, code = word
    is_spaced = language(code).has_spaces
    if not folds:
        return Form(words.normalise(text), "letters" if is_spaced else "any")
    text = words.fold(text)
    if is_spaced or all(map(words.is_joining, text)):
        return Form(text, "letters")
    return Form(text, code if code in cutting.LANGUAGES else "script")


def contains(text: str, word: Word, rule: Rule) -> bool:
    """Whether a text contains a word under a rule: the reference that every faster matcher must equal."""
    text = words.fold(text) if rule.folds else words.normalise(text)
    return any(True for form in rule.forms(word) for _ in places(text, form))


def within_window(text: str, first: Word, second: Word, window: int, rule: Rule) -> bool:
    """Whether two words occur fewer than `window` tokens apart: the reference definition.

    A token is a run of joining characters, or one other character that is no white space: words of spaced scripts,
    single characters of the others, punctuation. So a window does not depend on the tokenizer of any model.
    """
    text = words.fold(text) if rule.folds else words.normalise(text)
    numbers, is_open = [0], False
    for char in text:
        joining = words.is_joining(char)
        numbers.append(numbers[-1] + (not char.isspace() and not (joining and is_open)))
        is_open = joining
    starts = [[numbers[at + 1] for form in rule.forms(word) for at in places(text, form)] for word in (first, second)]
    return any(abs(a - b) < window for a in starts[0] for b in starts[1])


def places(text: str, form: Form) -> list[int]:
    """Where a form begins in a text, both as the rule has them."""
    if not form.text:
        return []
    if form.edges in affixes.classes():
        return affixes.places(text, form.text, form.edges)
    positions, start = [], text.find(form.text)
    while start >= 0:
        if _edges_hold(text, start, start + len(form.text), form.edges):
            positions.append(start)
        start = text.find(form.text, start + 1)
    return positions


def _edges_hold(text: str, begin: int, end: int, edges: str) -> bool:
    if edges == "any":
        return True
    if edges == "letters":
        return not any(map(words.is_joining, text[max(begin - 1, 0) : begin] + text[end : end + 1]))
    for edge in (begin, end):
        if 0 < edge < len(text):
            if all(map(words.is_joining, text[edge - 1 : edge + 1])):
                return False
            within = edges != "script" and all(map(cutting.is_clause, text[edge - 1 : edge + 1]))
            if within and edge not in cutting.cuts_around(text, edge, edges):
                return False
    return True
