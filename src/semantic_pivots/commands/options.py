"""Options of a command, generated from its configuration sections: one for each key, with the key's help and default.

A command takes a section as a parameter: `def discover(out: Path, discover: DiscoverConfig)`. Around it stands
`@with_sections()`, which gives the command an option for each key of the section, or for some of them, and hands over
the section, checked as that of a study is. An error that speaks of `[discover] top` speaks of `--top` to whoever gave
it.
"""

from __future__ import annotations

import functools
import inspect
import re
import sys
import types
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer
import typer.models
from typer.core import TyperCommand

from semantic_pivots import grammar
from semantic_pivots.errors import InputError
from semantic_pivots.grammar import Key
from semantic_pivots.languages import check_languages
from semantic_pivots.ranks import take_part

_FLAGS = {
    "words": ("--words-as",),
    "forms_path": ("--forms",),
    "items_per_direction": ("--items",),
    "window_tokens": ("--window",),
    "lenses": ("--lens",),
    "selections": ("--selection",),
    "quotas": ("--quota",),
    "thresholds": ("--threshold",),
    "document_boundaries": ("--boundaries",),
    ("lexicon", "source"): ("--lexicon",),
}
"""Options of a short or singular name; each is also there under the name of its key."""
CorpusFolder = Annotated[Path, typer.Argument(help="folder made by `pivots corpus make` or by a study's corpus stage")]
READING = {"corpus": ("columns", "max_bad_share")}
"""Keys of the commands that read documents of any format."""
IN_STUDIES = ("min_documents", "words", "forms_path")
"""Keys of [benchmark] that count words in the corpus of a study, which a command of items has not."""
Rank = Annotated[int, typer.Option(help="number of this process among --world, from 0 (docs/engines.md)")]
World = Annotated[int, typer.Option(help="processes that share the shards; `pivots merge OUT` puts them together")]
Wait = Annotated[float, typer.Option(help="seconds to wait for parts of other ranks before it ends")]
_RANK_OPTIONS = [
    inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
    for name, default, kind in (("rank", 0, Rank), ("world", 1, World), ("wait", 0.0, Wait))
]


class Writer(TyperCommand):
    """A command with `--out PLACE`; the place may also stand as the last argument, without the option's name."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Name the place, and parse."""
        values, operands, _ = self.make_parser(ctx).parse_args(list(args))
        if values.get("out") is None and len(operands) == 1:
            # an option may have the same text as its value
            rests = ([*args[:at], *args[at + 1 :]] for at, text in enumerate(args) if text == operands[0])
            rest = next(rest for rest in rests if self.make_parser(ctx).parse_args(list(rest))[:2] == (values, []))
            args = [*rest, "--out", operands[0]]
        return super().parse_args(ctx, args)


def flags(key: Key) -> tuple[str, ...]:
    """The names of a key's option, the shown one first."""
    flag = "--" + key.name.replace("_", "-")
    short = _FLAGS.get((key.section, key.name)) or _FLAGS.get(key.name, ())
    apart = key.name == "words" or key.section == "lexicon"  # --words is a file, --source nothing that tells a lexicon
    return short if apart and short else (*short, flag) if flag not in short else short


def with_sections(
    omit: Collection[str] = (),
    subsets: Mapping[str, Collection[str]] = types.MappingProxyType({}),
    ranks: bool = False,
) -> Callable:
    """Give a command the options of the sections among its parameters.

    Args:
        omit: keys that the command has of its own, as an argument or by what it does.
        subsets: the only keys that the command has of a section, by section.
        ranks: whether several processes can share the command; it has a parameter `out`.
    """

    def around(body: Callable) -> Callable:
        hints = get_type_hints(body, include_extras=True)
        kinds = set(grammar.sections().values())
        section_names = {name: grammar.section_of(hint) for name, hint in hints.items() if hint in kinds}
        keys: dict[str, Key] = {}
        for section in section_names.values():
            names = subsets.get(section, grammar.keys(section).keys() - omit)
            keys |= {name: key for name, key in grammar.keys(section).items() if name in names and name not in keys}
        body_parameters = [p for p in inspect.signature(body).parameters.values() if p.name not in section_names]
        parameter_names = {name: f"key_{name}" for name in keys}  # a command may have a parameter of that name
        in_sections = {name for section in section_names.values() for name in grammar.keys(section)}
        flag_of = {
            p.name: p.name.upper() if _is_argument(hints[p.name]) else "--" + p.name.replace("_", "-")
            for p in body_parameters
            if p.name in in_sections or not _is_argument(hints[p.name])
        }
        flag_of |= {name: flags(key)[0] for name, key in keys.items()}

        @functools.wraps(body)
        def command(**options: Any) -> Any:
            values = {name: options.pop(parameter) for name, parameter in parameter_names.items()}
            try:
                checked_values = {name: _value(keys[name], value, flag_of[name]) for name, value in values.items()}
                configs = {}
                for parameter, section in section_names.items():
                    names = checked_values.keys() & subsets.get(section, grammar.keys(section))
                    configs[parameter] = grammar.sections()[section](**{name: checked_values[name] for name in names})
                if ranks:
                    rank, world, wait = (options.pop(option.name) for option in _RANK_OPTIONS)
                    take_part(options["out"], rank, world, wait, sys.argv[1:])
                return body(**options, **configs)
            except InputError as error:
                raise InputError(_in_flags(str(error), flag_of, [*section_names.values()])) from error

        parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[p.name]) for p in body_parameters]
        parameters += _RANK_OPTIONS if ranks else ()
        parameters += [_parameter(key, parameter_names[name]) for name, key in keys.items()]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in parameters}
        command.keys = {parameter_names[name]: key for name, key in keys.items()}  # type: ignore[attr-defined]
        return command

    return around


def _is_argument(hint: Any) -> bool:
    return any(isinstance(part, typer.models.ArgumentInfo) for part in getattr(hint, "__metadata__", ()))


def _parameter(key: Key, name: str) -> inspect.Parameter:
    default, text, kind = key.default, key.help, key.kind
    shown_default: bool | str = True
    if key.several:
        kind, default, shown_default = list[str], None, ",".join(map(str, key.default)) or False
        text += "; several by commas, or the option again"
    elif default == "":
        shown_default = False
    option = typer.Option(*flags(key), help=text, show_default=shown_default)
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option])


def members_of(text: str) -> list[str]:
    """The members of a list with commas, without spaces around them, and without empty ones."""
    return [part.strip() for part in text.split(",") if part.strip()]


def _value(key: Key, value: Any, flag: str) -> Any:
    if not key.several:
        return key.convert(value, flag)
    if value is None or value == []:
        return key.default
    members: list[Any] = [member for text in value for member in members_of(text)]
    if key.kind is not str:
        try:
            members = [key.kind(member) for member in members]
        except ValueError:
            raise InputError(f"{flag}: expected whole numbers separated by commas, found {value}") from None
    if key.name in ("languages", "dsir_languages"):
        check_languages(flag, members, least=2 if key.name == "languages" else 0)
    return key.convert(members, flag)


def _in_flags(text: str, flag_of: Mapping[str, str], sections: Collection[str]) -> str:
    """A message that names options where it named keys of the command's sections: `top = 3` or `[discover] top`."""

    def flag(match: re.Match) -> str:
        section, name, sign, value = match.groups()
        option = flag_of.get(f"{section}_{name}", flag_of[name])
        is_key = section in sections or option != flag_of[name] or (section is None and (sign or "_" in name))
        if not is_key:
            return match[0]
        plain = re.sub(r"[\[\]'\"]", "", value or "").replace(", ", ",")
        return f"{option} " + (plain or '""' if value else "") if sign and value != "true" else option

    names = "|".join(flag_of)
    value = r"""(true\b|\[[^\]]*\]|"[^"]*"|'[^']*')"""
    return re.sub(rf"(?:\[(\w+)\] )?(?<![\w/.-])({names})(?![\w/-])( = {value}?)?", flag, text)
