"""Escapes of words and tokens for the terminal, plotly and matplotlib, each of which has a markup of its own.

Tokens hold whatever texts hold: `[/INST]` closes a style that rich never opened, `<b>` is bold to plotly, `$$` is an
empty formula to matplotlib. Whoever draws a text that is not this package's own draws it through here.
"""

from __future__ import annotations

import html

FIGURE_STYLE = {"text.parse_math": False}
"""Settings of matplotlib (`rc_context`) under which a text is drawn as it is."""


def in_terminal(text: str) -> str:
    """A text as rich prints it letter by letter."""
    from rich.markup import escape

    return escape(text)


def in_page(text: str) -> str:
    """A text as plotly draws it letter by letter."""
    return html.escape(text, quote=False)
