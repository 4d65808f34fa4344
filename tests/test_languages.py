import pytest

from semantic_pivots.errors import InputError
from semantic_pivots.languages import language, languages, resolve


@pytest.mark.parametrize(
    ("label", "code"),
    [
        ("cmn_Hans", "zh"),
        ("zho_Hant", "zh"),
        ("cmn_Hani", "zh"),
        ("zh_CN", "zh"),
        ("Chinese (Simplified)", "zh"),
        ("Chinese, Mandarin", "zh"),
        ("iw", "he"),
        ("ekk", "et"),
        ("npi", "ne"),
        ("azj_Latn", "az"),
        ("eng_Latn", "en"),
        ("EN-us", "en"),
        ("en_US.UTF-8", "en"),
        ("__label__fr", "fr"),
        ("Simplified Chinese", "zh"),
        ("Chinese, Simplified", "zh"),
        ("Mandarin", "zh"),
        ("Standard Arabic", "ar"),
        ("Tosk Albanian", "sq"),
        ("Slovene", "sl"),
        ("Norwegian Bokmål", "nb"),
        ("Serbian (Cyrillic)", "sr"),
        ("Bengali", "bn"),
        ("arb_Arab", "ar"),
        ("ary_Arab", "ary"),
        ("tgl", "fil"),
        ("zh-yue", "yue"),
        ("nan_Latn", "nan"),
        ("simple", "en"),
        ("jpn_Jpan", "ja"),
        ("und", ""),
        ("nan", ""),
        ("mul", ""),
        ("", ""),
        ("Klingonisch", None),
        ("xqz_Latn", None),
        ("language", None),
    ],
)
def test_labels_as_corpora_write_them(label, code):
    assert resolve(label) == code


def test_every_language_resolves_by_its_code_its_name_and_its_aliases():
    for known in languages().values():
        names = [known.name] if known.name.lower() not in languages() else []
        assert {resolve(label) for label in (*names, known.code.upper() + "_XX", *known.aliases)} == {known.code}
        assert known.scripts
    assert resolve("Ga") == "ga"  # Irish by its code; Ga of Ghana is gaa


def test_direction_and_spaces_follow_the_script():
    assert [code for code in "ar en fa he ja ur yi".split() if language(code).rtl] == "ar fa he ur yi".split()
    unspaced = [code for code in "bo en ja km ko lo my th yue zh".split() if not language(code).has_spaces]
    assert unspaced == "bo ja km lo my th yue zh".split()


@pytest.mark.parametrize(("given", "meant"), [("french", "fr"), ("iw", "he"), ("zho_Hans", "zh"), ("sw-KE", "sw")])
def test_an_unknown_code_names_the_language_that_is_called_so(given, meant):
    with pytest.raises(InputError, match=f"did you mean '{meant}'"):
        language(given)


def test_the_code_of_a_country_gives_its_language():
    with pytest.raises(InputError, match="did you mean 'ja'"):
        language("jp")
