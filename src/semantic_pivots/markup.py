"""Escapes of words and tokens for the terminal, plotly and matplotlib, each of which has a markup of its own.

Tokens hold whatever texts hold: `[/INST]` closes a style that rich never opened, `<b>` is bold to plotly, `$$` is an
empty formula to matplotlib. Whoever draws a text that is not this package's own draws it through here.
"""

from __future__ import annotations

import html
import unicodedata

FIGURE_STYLE = {"text.parse_math": False}
"""Settings of matplotlib (`rc_context`) under which a text is drawn as it is."""


def in_terminal(text: str) -> str:
    """A text as rich prints it letter by letter."""
    from rich.markup import escape

    return escape(text)


def pair_in_order(source: str, target: str) -> str:
    """`source → target` as terminals and matplotlib draw it in this order, also words that are read from right to left.

    Marks of a direction (U+200E) stand around such words: the arrow between two of them would be part of one run, and
    a line that begins with one would begin at the right.
    """
    words = (source, target)
    turns = any(unicodedata.bidirectional(letter) in ("R", "AL") for word in words for letter in word)
    return " → ".join(f"\u200e{word}\u200e" if turns else word for word in words)


def in_page(text: str) -> str:
    """A text as plotly draws it letter by letter."""
    return html.escape(text, quote=False)
