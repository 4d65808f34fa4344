from semantic_pivots.analysis.controls import PivotWord, control_sets


def words(*rows):
    return [PivotWord(text, documents, kind, tokens) for text, documents, kind, tokens in rows]


POOL = words(
    ("near", 100, "en-fr", 1),
    ("nearer", 110, "en-fr", 1),
    ("far", 90, "en-fr", 1),
    ("twice", 200, "en-fr", 1),
    ("too-often", 201, "en-fr", 1),
    ("long", 100, "en-fr", 2),
    ("elsewhere", 100, "en-zh", 1),
    ("own", 100, "en-fr", 1),
)


def test_control_words_are_as_frequent_of_one_kind_and_as_long():
    (pivot,) = words(("pivot", 100, "en-fr", 1))
    sets = control_sets([pivot], POOL, {"own"}, 4, seed=1)
    assert sorted(text for (text,) in sets) == ["far", "near", "nearer", "twice"]
    assert control_sets([pivot], POOL, {"own"}, 3, seed=1) != []
    assert {t for (t,) in control_sets([pivot], POOL, {"own"}, 3, seed=1)} == {"near", "nearer", "far"}  # the nearest
    assert control_sets([pivot], POOL, {"own"}, 5, seed=1) == []  # too few words like it: no test


def test_no_set_holds_a_word_twice_and_seeds_decide():
    pivots = words(("a", 100, "en-fr", 1), ("b", 100, "en-fr", 1))
    sets = control_sets(pivots, POOL, {"own"}, 4, seed=1)
    assert len(sets) == 4
    assert all(len(set(each)) == 2 for each in sets)
    assert sets == control_sets(pivots, POOL, {"own"}, 4, seed=1)
    assert sets != control_sets(pivots, POOL, {"own"}, 4, seed=2)
