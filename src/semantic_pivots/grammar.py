"""The grammar of a study: what each key of a section is, read off the dataclasses of the stages.

A study file, the options of a command and the manual come from the same fields: the type states choices and ranges, the
text under a field is its help. Nothing about a key is written down twice.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import itertools
import re
import sys
import types
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin, get_type_hints

from semantic_pivots import config
from semantic_pivots.errors import InputError, nearest
from semantic_pivots.stages import STAGES

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_NAMES = {"float": "a number", "int": "a whole number", "str": "a string", "bool": "true or false"}


@dataclass(frozen=True)
class Key:
    """One key of a section."""

    section: str
    name: str
    kind: type
    """str, int, float or bool; of a list that of its members"""
    several: bool
    """a list"""
    choices: tuple[object, ...]
    rules: tuple[config.Range | config.Form, ...]
    default: Any
    help: str

    def convert(self, value: object, place: str) -> Any:
        """The value in the type of the field.

        Args:
            value: as TOML or a command line gives it.
            place: name of the key for an error message.

        Raises:
            InputError: the value has another type, is out of range, or is not one of the choices; the nearest is named.
                Of a list with several such members, a line for each.
        """
        if not self.several:
            return self._convert_one(value, place)
        if not isinstance(value, (list, tuple)):
            kind_name = {"str": "a list of strings", "int": "a list of whole numbers"}.get(self.kind.__name__, "a list")
            raise InputError(f"{place}: expected {kind_name}, found {value!r}")
        members, lines = [], []
        for member in value:
            try:
                members.append(self._convert_one(member, place))
            except InputError as error:
                lines.append(str(error))
        if lines:
            raise InputError("\n".join(dict.fromkeys(lines)))
        return tuple(members)

    def _convert_one(self, value: Any, place: str) -> Any:
        if self.kind is float and type(value) is int:
            value = float(value)
        if type(value) is not self.kind:
            kind_name = "a list of strings" if self.several and self.kind is str else _NAMES[self.kind.__name__]
            raise InputError(f"{place}: expected {kind_name}, found {value!r}")
        if self.choices and value not in self.choices:
            choices = [str(choice) for choice in self.choices if choice != ""]
            hint = nearest(value, choices)
            raise InputError(f"{place}: {value!r} is not known; expected one of {', '.join(choices)}{hint}")
        for rule in self.rules:
            if isinstance(rule, config.Range) and value not in rule:
                raise InputError(f"{place}: {value:g} is out of range; expected {_NAMES[self.kind.__name__]} {rule}")
            if isinstance(rule, config.Form) and not re.fullmatch(rule.pattern, value):
                hint = nearest(value, re.findall(r"[\w-]+", rule.says))
                raise InputError(f"{place}: {value!r} is not known; expected {rule.says}{hint}")
        return value


@functools.cache
def sections() -> dict[str, type]:
    """The dataclass of every section of a study, in their order."""
    return {"study": config.SharedKeys, **{name: stage.section for name, stage in STAGES.items()}}


_FIELDS = [(name, kind, dataclasses.field(default_factory=kind)) for name, kind in sections().items()]


class StudyConfig(dataclasses.make_dataclass("Sections", _FIELDS, frozen=True)):
    """One study: a section for each stage, by its name."""


@functools.cache
def keys(section: str) -> dict[str, Key]:
    """The keys of a section in their order; keys that it inherits from a base class come last."""
    kind = sections()[section]
    hints, field_names = get_type_hints(kind, include_extras=True), inspect.get_annotations(kind)
    bases = config.SharedKeys, *reversed(kind.__mro__[:-1])
    texts = {name: help_text for base in bases for name, help_text in _texts(base).items()}
    by_name = {}
    for field in sorted(dataclasses.fields(kind), key=lambda field: field.name not in field_names):
        hint, several = hints[field.name], False
        if get_origin(hint) is tuple:
            hint, several = get_args(hint)[0], True
        base, choices, rules = _parts(hint)
        by_name[field.name] = Key(
            section, field.name, base, several, choices, rules, field.default, texts.get(field.name, "")
        )
    return by_name


def _parts(hint: Any) -> tuple[type, tuple[object, ...], tuple[config.Range | config.Form, ...]]:
    if get_origin(hint) is Annotated:
        base, *rules = get_args(hint)
        return base, (), tuple(rules)
    if get_origin(hint) is Literal:
        choices = get_args(hint)
        return type(choices[0]), choices, ()
    return hint, (), ()


@functools.cache
def _classes(module: str) -> dict[str, ast.ClassDef]:
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


@functools.cache
def _texts(kind: type) -> types.MappingProxyType[str, str]:
    """The string below each field of a dataclass, by the field's name."""
    texts = {}
    for statement, following in itertools.pairwise(_classes(kind.__module__)[kind.__name__].body):
        if isinstance(statement, ast.AnnAssign) and isinstance(following, ast.Expr):
            texts[statement.target.id] = " ".join(ast.literal_eval(following.value).split())  # type: ignore[union-attr]
    return types.MappingProxyType(texts)


def section_of(kind: type) -> str:
    """The name of a dataclass's section."""
    return next(name for name, field_names in sections().items() if field_names is kind)


def check(settings: DataclassInstance) -> None:
    """Refuse a section with an invalid value, or with values that contradict one another.

    Raises:
        InputError: a value is invalid; the message names its key.
    """
    section = section_of(type(settings))
    for name, key in keys(section).items():
        key.convert(getattr(settings, name), f"[{section}] {name}")
    if lines := list(contradictions(settings)):
        raise InputError("\n".join(lines))


def contradictions(settings: DataclassInstance, invalid_keys: Collection[str] = ()) -> Iterator[str]:
    """One line for each rule of a section's stage that the section breaks.

    Args:
        settings: the section.
        invalid_keys: keys whose values cannot be used; rules that read one of them are left out.
    """
    section = section_of(type(settings))
    for rule in STAGES[section].rules if section in STAGES else ():
        if not set(rule.keys).intersection(invalid_keys) and not rule.holds(settings):
            values = ", ".join(f"[{section}] {key} = {text(getattr(settings, key))}" for key in rule.keys)
            yield f"{values}: {rule.requirement}"


def text(value: object) -> str:
    """A value as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(map(text, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else repr(value)
