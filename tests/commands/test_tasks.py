"""`pivots tasks` lists what there is and shows prompts."""

from __future__ import annotations

from typer.testing import CliRunner

from semantic_pivots.commands.tasks import app
from semantic_pivots.errors import InputError


def test_the_list_names_every_task_with_its_items():
    text = CliRunner().invoke(app, ["list", "--languages", "en,fr,"]).output
    assert "capital-across      210 items in  2 directions" in text
    assert "sentences" in text


def test_show_prints_prompts_that_end_in_their_answer():
    text = CliRunner().invoke(app, ["show", "capital", "--languages", "en,fr", "--shots", "1", "--count", "2"]).output
    assert text.count("Please name the capital of each country.") == 2
    assert "Capitale: " in text
    assert text.count("wrong sources:") == 2


def test_word_translation_is_shown_like_the_others_and_impossible_numbers_are_told():
    found = CliRunner().invoke(app, ["show", "translation", "--languages", "en,fr", "--shots", "1"])
    assert found.exit_code == 0
    assert "Please translate words from English to French." in found.output
    told = CliRunner().invoke(app, ["show", "cloze", "--languages", "en,fr", "--shots", "-1"])
    assert isinstance(told.exception, InputError)
    assert str(told.exception) == "--shots: -1 is out of range; expected a whole number of at least 0"
