"""One grammar of signatures: what is written is read back, in one order, and nothing else is accepted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semantic_pivots.signature import ORDER, Signature
from semantic_pivots.statistics import Figure, Interval

TEXTS = st.text(st.characters(blacklist_characters="|\n\r", blacklist_categories=["Cs"]), max_size=12)


@given(TEXTS, TEXTS, st.dictionaries(st.sampled_from(ORDER), TEXTS), st.sampled_from(["", "no interval: 4 units"]))
def test_what_is_written_is_read_back(subject: str, scope: str, settings: dict[str, str], note: str):
    plain = Signature.of(subject, scope, **settings)
    made = Signature(plain.subject, plain.scope, plain.settings, note)
    assert Signature.parse(str(made)) == made


def test_settings_have_one_order_whatever_the_order_in_which_they_are_given():
    one, other = Signature.of("clwtd", "en-fr", seed=1, shots=5), Signature.of("clwtd", "en-fr", shots=5, seed=1)
    assert str(one) == str(other) == "clwtd|en-fr|shots=5|seed=1"
    assert one["shots"] == "5"
    assert one.with_settings(seed=2).without("shots").within("fr-en") == Signature.of("clwtd", "fr-en", seed=2)


@pytest.mark.parametrize("settings", [{"colour": 1}, {"model": "a|b"}])
def test_what_is_not_of_the_grammar_is_an_error(settings: dict[str, object]):
    with pytest.raises(ValueError, match="signature"):
        Signature.of("clwtd", "en-fr", **settings)


def test_lines_that_are_not_of_the_grammar_are_errors():
    for line in ("clwtd|en-fr|five shots|seed=1", "clwtd|en-fr|seed=1|shots=5", "clwtd|en-fr|seed=1|seed=1"):
        with pytest.raises(ValueError, match="signature"):
            Signature.parse(line)


def test_a_figure_is_read_back_from_its_columns():
    figure = Figure(Interval(0.5, 0.25, 0.75, 12), Signature.of("clwtd", "en-fr", seed=1))
    assert Figure.of_row(figure.columns()) == figure
    assert str(figure) == "0.5 [0.25, 0.75], n = 12; clwtd|en-fr|seed=1"
    assert figure.columns()["signature"] == "clwtd|en-fr|seed=1"
