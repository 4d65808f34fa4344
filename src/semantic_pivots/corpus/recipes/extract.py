"""Text of one file: a help page, a manual page, a handbook chapter."""

from __future__ import annotations

import gzip
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

# Elements that begin and end a line; the words of two of them never touch.
_HTML_BLOCKS = """
address article aside blockquote br dd div dl dt figcaption figure h1 h2 h3 h4 h5 h6 hr li ol p pre section table td th
tr ul
"""
_XML_BLOCKS = "desc item li note p para quote screen section subtitle table td term th title tr"
_PREFORMATTED_TAGS = ("pre", "screen", "code", "programlisting")


def html_text(data: bytes) -> str:
    """The text of an HTML page's content, one block a line; the page is read as UTF-8 if it is valid UTF-8."""
    import lxml.etree as etree
    from lxml import html

    try:
        data.decode("utf-8")
        encoding = "utf-8"
    except UnicodeDecodeError:
        encoding = None
    try:
        tree = html.fromstring(data, parser=html.HTMLParser(encoding=encoding))
    except etree.ParserError:  # an empty page
        return ""
    areas = tree.xpath("//*[@id='DisplayArea']") or tree.xpath("//body") or [tree]
    for noise in areas[0].xpath(".//script | .//style | .//nav | .//header | .//footer"):
        noise.drop_tree()
    return _lines(areas[0], _HTML_BLOCKS)


def xml_text(data: bytes) -> str:
    """The text of a Mallard or DocBook page, one block a line."""
    import lxml.etree as etree

    tree = etree.fromstring(data, etree.XMLParser(recover=True, resolve_entities=False, no_network=True))
    if tree is None:
        return ""
    for noise in tree.xpath("//*[local-name()='info' or local-name()='credit']"):
        noise.getparent().remove(noise)
    return _lines(tree, _XML_BLOCKS)


def _lines(tree: Element, block_names: str) -> str:
    pieces: list[str] = []
    blocks = frozenset(block_names.split())

    def put(text: str | None, is_preformatted: bool) -> None:
        # A line end of the source only parts words, save in code.
        pieces.append((text or "") if is_preformatted else (text or "").replace("\n", " "))

    def walk(element: Element, is_preformatted: bool) -> None:
        # A comment's or an instruction's tag is a function; its text is not the page's, its tail is.
        if isinstance(element.tag, str):
            name = element.tag.rpartition("}")[2]
            is_verbatim = is_preformatted or name in _PREFORMATTED_TAGS
            pieces.append("\n" if name in blocks else "")
            put(element.text, is_verbatim)
            for child in element:
                walk(child, is_verbatim)
                put(child.tail, is_verbatim)
            pieces.append("\n" if name in blocks else "")

    walk(tree, False)
    lines = (" ".join(line.split()) for line in "".join(pieces).splitlines())
    return "\n".join(line for line in lines if line)


_ROFF_ESCAPES = (
    (re.compile(r'\\".*'), ""),
    (re.compile(r"\\f(\(..|\[[^]]*\]|.)"), ""),
    (re.compile(r"\\s[-+]?\d+|\\[|&^/,:%]|\\[hvw]'[^']*'|\\m\[[^]]*\]"), ""),
    (re.compile(r"\\\*(\(..|\[[^]]*\]|.)"), ""),
    (re.compile(r"\\\((aq|cq|oq)"), "'"),
    (re.compile(r"\\\((lq|rq|dq)"), '"'),
    (re.compile(r"\\\((em|en|hy|mi)|\\-"), "-"),
    (re.compile(r"\\\((..)|\\\[[^]]*\]"), " "),
    (re.compile(r"\\[ ~0]"), " "),
    (re.compile(r"\\e|\\\\"), "\\\\"),
)
# Macros whose arguments are text; the arguments of all others are layout.
_ROFF_TEXT = {"SH", "SS", "B", "I", "BR", "RB", "IR", "RI", "BI", "IB", "SM", "SB", "TP", "IP", "Sh", "Ss", "Nd", "It"}


def roff_text(data: bytes) -> str:
    """The text of a manual page's roff source; empty for a page that only points to another."""
    text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8", errors="ignore")
    if text.startswith(".so "):
        return ""
    lines = []
    for line in text.splitlines():
        if line[:1] in (".", "'"):
            macro, _, arguments = line[1:].strip().partition(" ")
            if macro not in _ROFF_TEXT:
                continue
            line = re.sub(r'(?<!\\)"', "", arguments)
        for pattern, replacement in _ROFF_ESCAPES:
            line = pattern.sub(replacement, line)
        if line.strip():
            lines.append(" ".join(line.split()))
    return "\n".join(lines)
