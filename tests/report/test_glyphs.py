"""Pictures hold no boxes: every character has a glyph, or its code point is written."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from semantic_pivots.commands.explain import _draw
from semantic_pivots.report.glyphs import drawable, fonts_for

WORDS = ["قطة", "שלום", "猫", "ไทย", "हिन्दी", "chat", "고양이", "$$", "\ue000"]


def test_a_picture_of_many_scripts_has_no_missing_glyph(tmp_path: Path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _draw("قطة → 猫", [[0.1] * len(WORDS)], [WORDS], WORDS[:1] * len(WORDS), tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 1000


def test_fonts_cover_what_any_font_has():
    fonts, missing = fonts_for(["cat", "قطة", "\ue000"])
    assert fonts[0] == "DejaVu Sans"
    assert "\ue000" in missing
    assert not missing & set("catقطة")
    # its slanted files have no Arabic, and the order of a machine's files is no one's choice
    assert fonts_for(["cat قطة"]) == (["DejaVu Sans"], frozenset())


@pytest.mark.parametrize(
    ("text", "written"),
    [("cat", "cat"), ("ab", "aU+0062"), ("bb bbbb", "U+0062 U+0062 U+0062 U+0062 U+0062…"), ("", "")],
)
def test_code_points_stand_in_for_glyphs(text, written):
    assert drawable(text, frozenset("b")) == written
