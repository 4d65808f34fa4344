import pytest

from semantic_pivots.errors import InputError
from semantic_pivots.tasks.translation import Item, Shots, answer, prompt

WORDS = [(f"c{i:02}", code, f"{code}{i}") for i in range(30) for code in ("en", "fr")]
ITEM = Item("en-fr-c03", "c03", "en", "fr", "en3", "fr3", ("en7", "en8", "en9"))


def test_the_prompt_is_the_published_one():
    shots = Shots(WORDS, "en", "fr").pool[:2]
    assert prompt("en", "fr", shots, "dog") + answer("chien") == (
        "Please translate words from English to French.\n\nEnglish: en0\nFrench: fr0\n\nEnglish: en1\nFrench: fr1\n\n"
        "English: dog\nFrench: chien"
    )


@pytest.mark.parametrize("pool", [0, 6])
def test_shots_show_no_word_of_the_item_and_derive_from_identifiers(pool):
    shots = Shots(WORDS, "en", "fr", seed=1)
    drawn = shots.draws_of(ITEM, 5, 5, pool)
    assert drawn == Shots(reversed(WORDS), "en", "fr", seed=1).draws_of(ITEM, 5, 5, pool)
    assert drawn != Shots(WORDS, "en", "fr", seed=2).draws_of(ITEM, 5, 5, pool)
    assert len({number for number, _ in drawn}) == 5
    for _, shown in drawn:
        assert len({shot.concept_id for shot in shown}) == 5
        assert not {shot.source for shot in shown} & {*ITEM.candidates}
        assert "fr3" not in {shot.target for shot in shown}


def test_items_share_the_draws_of_a_pool_and_only_those():
    shots = Shots(WORDS, "en", "fr")
    other = Item("en-fr-c20", "c20", "en", "fr", "en20", "fr20", ("en21",))
    first, second = dict(shots.draws_of(ITEM, 4, 2, 8)), dict(shots.draws_of(other, 4, 2, 8))
    assert all(first[number] == second[number] for number in first.keys() & second.keys())
    own, others = shots.draws_of(ITEM, 4, 2, 0), shots.draws_of(other, 4, 2, 0)
    assert [shown for _, shown in own] != [shown for _, shown in others]


def test_too_few_concepts_for_the_shots_is_an_error_for_people():
    with pytest.raises(InputError, match="5 shots asked"):
        Shots(WORDS[:10], "en", "fr").draws_of(ITEM, 1, 5, 0)
    with pytest.raises(InputError, match="pool = 2: expected 0, or at least"):
        Shots(WORDS, "en", "fr").draws_of(ITEM, 5, 5, 2)


def test_without_shots_there_is_one_draw():
    assert Shots(WORDS, "en", "fr").draws_of(ITEM, 5, 0, 0) == [(0, [])]
