import pytest

from semantic_pivots.lexicon.cells import word_of
from semantic_pivots.lexicon.concepts import lexicon_path, read_lexicon


@pytest.mark.parametrize(
    ("cell", "language", "word"),
    [
        ("chien; toutou", "fr", "chien"),
        ("chien / toutou", "fr", "chien"),
        ("chien/toutou", "fr", "chien"),
        ("chien, toutou", "fr", "chien"),
        ("le chat (m)", "fr", "chat"),
        ("l’arbre", "fr", "arbre"),
        ("der Hund", "de", "Hund"),
        ("chi\u200ben", "fr", "chien"),
        ("\u200b", "fr", ""),
        ("❤\ufe0flove", "en", "❤love"),
        ("dog [animal]", "en", "dog"),
        ("犬（いぬ）", "ja", "犬"),
        ("词典、字典", "zh", "词典"),
        ("چراغ\u200cقوه", "fa", "چراغ\u200cقوه"),  # the joiner spells the word
        ("كلب، جرو", "ar", "كلب"),
        ("pomme de terre", "fr", "pomme de terre"),
        ("la mer du Nord", "fr", "la mer du Nord"),
        ("ice cream", "en", "ice cream"),
        ("1,000", "en", "1,000"),
        ("km/h", "en", "km/h"),
        ("aujourd'hui", "fr", "aujourd'hui"),
        ("laser", "fr", "laser"),
        ("(none)", "en", "(none)"),
        ('"dog"', "en", "dog"),
        ('"dog"; "hound"', "en", "dog"),
        ('"dog; hound"', "en", "dog"),
        ('"le chat" (m)', "fr", "chat"),
        ('"say ""hi"""', "en", 'say "hi"'),
        ('""', "en", ""),
        ("« chien »", "fr", "chien"),
        ("„Hund“", "de", "Hund"),
        ("「犬」", "ja", "犬"),
        ('12"', "en", '12"'),
        ("New \u00a0York", "en", "New York"),
        ("\u061cكلب\u200f", "ar", "كلب"),
        ("", "en", ""),
    ],
)
def test_the_word_that_a_cell_means(cell, language, word):
    assert word_of(cell, language) == word


def test_cells_of_a_list_made_for_people_are_read_and_told(tmp_path, capsys):
    path = tmp_path / "mine.tsv"
    path.write_text("concept_id\tpos\ten\tfr\rdog\tnoun\tdog\tchien; toutou\rcat\tnoun\tcat\tchat", "utf-8", newline="")
    rows = read_lexicon(path, ("en", "fr"))
    assert [(row["en"], row["fr"]) for row in rows] == [("dog", "chien"), ("cat", "chat")]
    assert "1 cells hold more than one plain word and are read so: line 2, fr: 'chien; toutou' as 'chien'" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize("source", ["cldr", "cldr-wide", "clwtd-open"])
def test_shipped_lexicons_hold_plain_words(source, capsys):
    path = lexicon_path(source)
    columns = path.read_text("utf-8").split("\n", 1)[0].split("\t")
    read_lexicon(path, tuple(column for column in columns[2:] if "." not in column))
    assert capsys.readouterr().err == ""
