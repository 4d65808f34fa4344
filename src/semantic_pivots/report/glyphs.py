"""Words of any script in matplotlib's pictures: fonts that have their glyphs, and code points where no font has.

matplotlib (from 3.11) shapes and orders Arabic, Hebrew and Indic text itself; what it cannot do is draw a character of
which no font on the machine has a glyph: it draws a box. Fonts are looked for among those installed.
"""

from __future__ import annotations

from collections.abc import Iterable

_USUAL = "DejaVu Sans"
# Fonts of mathematics and of boxes have glyphs at code points that mean something else.
_UNFIT = ("Last Resort", "STIX", "DejaVu Math", "cm")
# Fonts made for many languages go first; the others in order of their names.
_FONT_NAMES = ("Noto Sans", "Source Han", "WenQuanYi", "IPAGothic", "TakaoGothic", "Droid Sans Fallback")
_GLYPHS_OF_RUN = 3


def fonts_for(texts: Iterable[str]) -> tuple[list[str], frozenset[str]]:
    """Names of fonts that together have the glyphs of the texts as far as any has, and the characters none has."""
    from matplotlib import font_manager

    missing = {char for text in texts for char in text if not char.isspace()}
    # of the files of a name the upright, medium one comes last: a slanted one may lack whole scripts
    entries = sorted(font_manager.fontManager.ttflist, key=lambda entry: (entry.style == "normal", entry.weight == 400))
    files = {entry.name: entry.fname for entry in entries}
    names = sorted((n for n in files if n != _USUAL and not n.startswith(_UNFIT)), key=_order)
    fonts = []
    for name in [_USUAL, *names]:
        if not missing:
            break
        glyphs = missing & set(map(chr, font_manager.get_font(files[name]).get_charmap()))
        if glyphs or name == _USUAL:
            fonts.append(name)
            missing -= glyphs
    return fonts, frozenset(missing)


def _order(name: str) -> tuple[bool, str]:
    return not name.startswith(_FONT_NAMES), name


def drawable(text: str, missing: frozenset[str]) -> str:
    """The text, or in place of a run of characters without glyphs the first of their code points."""
    if not missing & set(text):
        return text
    parts, run = "", []
    for char in [*text, ""]:
        if char and char in missing:
            run.append(f"U+{ord(char):04X}")
            continue
        if run:
            parts += " ".join(run[:_GLYPHS_OF_RUN]) + ("…" if len(run) > _GLYPHS_OF_RUN else "")
            run = []
        parts += char
    return parts
