"""The shuffled-pivot null exchanges pivots between items of one direction and changes nothing else."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from semantic_pivots.tables import from_rows
from semantic_pivots.tasks.shuffled_pivots import partners, shuffled_pivots
from semantic_pivots.tasks.translation import Item


def item(number: int, direction: tuple[str, str], concept: int) -> Item:
    return Item(f"i{number}", f"c{concept}", *direction, f"s{number}", f"t{number}", ())


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([("en", "fr"), ("fr", "en")]), st.integers(0, 4), st.integers(0, 3)), max_size=12
    )
)
def test_pivots_go_to_another_concept_of_the_same_direction(drawn):
    items = [item(n, direction, concept) for n, (direction, concept, _) in enumerate(drawn)]
    pivots = from_rows(
        "pivots",
        [
            {"item_id": f"i{n}", "token": 10 * n + k, "text": "x", "rank": k, "measure": "min", "value": 1.0 / (k + 1)}
            for n, (_, _, count) in enumerate(drawn)
            for k in range(count)
        ],
    )
    owner = {10 * n + k: n for n, (_, _, count) in enumerate(drawn) for k in range(count)}
    null = shuffled_pivots(pivots, items, seed=0).to_pylist()
    by_id = {i.item_id: i for i in items}
    for row in null:
        receiver, giver = by_id[row["item_id"]], items[owner[row["token"]]]
        assert receiver.direction == giver.direction
        assert receiver.concept_id != giver.concept_id
    counts = Counter(row["item_id"] for row in null)
    for receiver, giver in partners(items, {r["item_id"] for r in pivots.to_pylist()}, 0).items():
        assert counts[receiver] == drawn[int(giver[1:])][2]


def test_with_distinct_concepts_every_pivot_set_is_used_once():
    items = [item(n, ("en", "fr"), n) for n in range(9)]
    given_to = partners(items, {i.item_id for i in items}, seed=3)
    assert sorted(given_to.values()) == sorted(given_to) == sorted(i.item_id for i in items)
    assert given_to == partners(items[::-1], {i.item_id for i in items}, seed=3)
    assert given_to != partners(items, {i.item_id for i in items}, seed=4)
    assert partners(items[:1], {"i0"}, 0) == {}
