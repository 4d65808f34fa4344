"""Readers of dictionaries that a user brings: Wiktextract, MUSE, TSV, Open Multilingual WordNet."""

from __future__ import annotations

import gzip
import json
from io import BytesIO

import pytest

from semantic_pivots.errors import InputError
from semantic_pivots.lexicon.dictionaries import KINDS, dictionary
from semantic_pivots.lexicon.join import Translations
from semantic_pivots.lexicon.sources import kaikki, pairs, wordnet
from semantic_pivots.lexicon.sources.entry import Entry

BANK = {
    "word": "bank", "lang_code": "en", "pos": "noun",
    "senses": [{"glosses": ["edge of a river"], "translations": [{"lang_code": "fr", "word": "rive"}]}],
    "translations": [
        {"code": "fr", "word": "banque", "sense": "institution"},
        {"code": "fr", "word": "établissement", "sense": "institution"},
        {"code": "de", "word": "Bank", "sense": "institution"},
    ],
}  # fmt: skip
CHIEN = {
    "word": "chien", "lang_code": "fr", "pos": "noun",
    "senses": [
        {"glosses": ["animal", "dog (Canis familiaris), hound"]},
        {"glosses": ["plural of chien"], "form_of": [{"word": "chien"}], "tags": ["form-of"]},
    ],
}  # fmt: skip
LMF = """<LexicalResource><Lexicon id="x" language="{code}" license="CC-BY-4.0">
<LexicalEntry id="e1"><Lemma writtenForm="{word}" partOfSpeech="n"/><Sense id="s1" synset="{code}-1"/>
<Sense id="s2" synset="{code}-2"/></LexicalEntry>
<Synset id="{code}-1" ili="{ili}" partOfSpeech="n"/><Synset id="{code}-2" ili="" partOfSpeech="n"/>
</Lexicon></LexicalResource>"""


def test_wiktextract_gives_translation_tables_by_sense_and_glosses_of_foreign_words():
    lines = [json.dumps(row, ensure_ascii=False) for row in (BANK, CHIEN)] + [""]
    assert list(kaikki.read(lines, "en", "fr")) == [
        Entry("bank", "en", "fr", "noun", (("banque", "établissement"), ("rive",)))
    ]
    assert list(kaikki.read(lines, "fr", "en")) == [Entry("chien", "fr", "en", "noun", (("dog", "hound"),))]
    with pytest.raises(InputError, match="line 2: not JSON"):
        list(kaikki.read([lines[0], "{"], "en", "fr"))
    with pytest.raises(InputError, match="expected an object"):
        list(kaikki.read(["[1]"], "en", "fr"))


def test_wiktextract_fields_that_are_null_count_as_absent():
    rows = [
        {**CHIEN, "translations": None, "pos": None},
        {"word": "chat", "lang_code": "fr", "pos": "noun", "senses": [{"glosses": None}, None, {"glosses": ["cat"]}]},
        {"word": "dog", "lang_code": "en", "pos": "noun", "senses": None, "translations": [None, {"code": "fr"}]},
    ]
    lines = [json.dumps(row) for row in rows]
    assert [(e.word, e.pos, e.senses[0]) for e in kaikki.read(lines, "fr", "en")] == [
        ("chien", "", ("dog", "hound")),
        ("chat", "noun", ("cat",)),
    ]
    assert list(kaikki.read(lines, "en", "fr")) == []


def test_wiktextract_gives_chinese_words_in_the_simplified_script():
    both = {"code": "cmn", "sense": "reference", "word": "詞典 /词典"}
    rows = [
        {"word": "dictionary", "lang_code": "en", "pos": "noun", "translations": [both, {**both, "word": "字典"}]},
        {"word": "電腦", "lang_code": "zh", "pos": "noun", "senses": [{"glosses": ["computer"]}]},
        {"word": "电脑", "lang_code": "zh", "pos": "soft-redirect", "redirects": ["電腦"], "senses": [{}]},
    ]
    lines = [json.dumps(row) for row in rows]
    assert [e.senses for e in kaikki.read(lines, "en", "zh")] == [(("词典", "字典"),)]
    assert [(e.word, e.senses) for e in kaikki.read(lines, "zh", "en")] == [("电脑", (("computer",),))]


def test_one_phrase_in_a_muse_dictionary_is_left_out_and_told(capsys):
    found = list(pairs.read_muse(["dog chien", "new york new york", "ice cream\tcrème glacée"], "en", "fr"))
    assert [e.word for e in found] == ["dog", "ice cream"]
    assert "line 2: 4 words" in capsys.readouterr().err
    with pytest.raises(InputError, match="and 1 such lines more"):
        list(pairs.read_muse(["dog chien", "a b c", "d e f"], "en", "fr"))


@pytest.mark.parametrize("head", ["word\ttranslation", "Source\ttarget\tpos", "fr\ten", "French\tEnglish"])
def test_a_first_line_of_names_is_no_entry(head):
    assert [e.word for e in pairs.read_tsv([head, "chat\tcat"], "fr", "en")] == ["chat"]
    assert [e.word for e in pairs.read_tsv(["chat\tcat", head], "fr", "en")][1:] == [head.split("\t")[0]]


def test_muse_and_tsv_group_pairs_by_headword():
    assert list(pairs.read_muse(["dog chien\n", "dog chienne\n", "cat\tchat\n", "\n"], "en", "fr")) == [
        Entry("dog", "en", "fr", "", (("chien", "chienne"),)),
        Entry("cat", "en", "fr", "", (("chat",),)),
    ]
    with pytest.raises(InputError, match="line 1: 3 words"):
        list(pairs.read_muse(["hot dog chien"], "en", "fr"))
    lines = ["# word\ttranslation\tpos", "hot dog\thot-dog\tnoun", "run\tcourir\tv", "sun\tsoleil"]
    assert [(e.word, e.pos) for e in pairs.read_tsv(lines, "en", "fr")] == [
        ("hot dog", "noun"),
        ("run", "verb"),
        ("sun", ""),
    ]
    with pytest.raises(InputError, match="line 1"):
        list(pairs.read_tsv(["dog"], "en", "fr"))


def test_wordnet_tab_files_join_by_synset():
    english = wordnet.read_tab(
        ["# eng\tEnglish\thttp://x\tWordNet", "02084071-n\teng:lemma\tdog", "00440-s\tlemma\tbig"]
    )
    french = wordnet.read_tab(
        ["# fra\tWOLF\thttp://x\tCeCILL-C", "02084071-n\tfra:lemma\tchien", "02084071-n\tfra:def\t0\tun animal",
         "02084071-n\tfra:lemma\tchien_domestique", "00440-a\tfra:lemma\tgrand"]
    )  # fmt: skip
    assert french.licence == "CeCILL-C"
    assert list(wordnet.entries(english, french, "en", "fr")) == [
        Entry("dog", "en", "fr", "noun", (("chien", "chien domestique"),)),
        Entry("big", "en", "fr", "adjective", (("grand",),)),
    ]
    with pytest.raises(InputError, match="line 1: expected synset-pos"):
        wordnet.read_tab(["dog\teng:lemma\tx"])


def test_wordnet_lmf_joins_by_the_interlingual_index(tmp_path):
    first, second = (LMF.format(code=c, word=w, ili="i46360") for c, w in (("en", "dog"), ("fr", "chien")))
    found = wordnet.entries(
        wordnet.read_lmf(BytesIO(first.encode())), wordnet.read_lmf(BytesIO(second.encode())), "en", "fr"
    )
    want = [Entry("dog", "en", "fr", "noun", (("chien",),))]
    assert list(found) == want
    (tmp_path / "en.xml").write_text(first, "utf-8")
    (tmp_path / "fr.xml").write_text(second, "utf-8")
    assert list(dictionary(f"wordnet:en-fr:{tmp_path}").entries) == want
    with pytest.raises(InputError, match=r"neither de\.tab nor de\.xml"):
        list(dictionary(f"wordnet:en-de:{tmp_path}").entries)


def test_a_dictionary_is_named_by_kind_languages_file_and_licence(tmp_path):
    path = tmp_path / "en-fr.txt.gz"
    path.write_bytes(gzip.compress(b"dog chien\n"))
    found = dictionary(f"muse:en-fr:{path}:CC-BY-NC-4.0")
    assert (found.name, found.licence) == ("muse-en-fr.txt.gz", "CC-BY-NC-4.0")
    table = Translations()
    table.add(found.entries, found.name)
    assert table.weight("fr", "en", "noun", "chien", "dog") == 1.0
    for spec, message in (
        ("muse", "expected KIND:FIRST-SECOND"),
        (f"mose:en-fr:{path}", "did you mean 'muse'"),
        ("muse:en-fr:absent.txt", "does not exist"),
    ):
        with pytest.raises(InputError, match=message):
            dictionary(spec)
    assert "kaikki" in KINDS


def test_wiktionary_calls_chinese_mandarin():
    row = {"word": "cat", "lang_code": "en", "pos": "noun", "translations": [
        {"lang": "Chinese Mandarin", "code": "cmn", "lang_code": "cmn", "sense": "animal", "word": "猫"}]}  # fmt: skip
    assert list(kaikki.read([json.dumps(row)], "en", "zh")) == [Entry("cat", "en", "zh", "noun", (("猫",),))]


def test_a_byte_order_mark_and_decomposed_letters_are_read(tmp_path):
    path = tmp_path / "mine.tsv"
    path.write_bytes("\ufeffdog\tchien\r\nsummer\te\u0301te\u0301\r\n".encode())
    table = Translations()
    table.add(dictionary(f"tsv:en-fr:{path}").entries, "mine")
    assert table.weight("en", "fr", "noun", "dog", "chien") == 1.0
    assert table.weight("fr", "en", "noun", "été", "summer") == 1.0


def test_wordnets_are_gzipped_or_not_and_of_one_form(tmp_path):
    (tmp_path / "en.tab.gz").write_bytes(gzip.compress(b"\xef\xbb\xbf# eng\n02084071-n\teng:lemma\tdog\n"))
    (tmp_path / "fr.tab").write_text("02084071-n\tfra:lemma\tchien\n", "utf-8")
    (tmp_path / "de.xml").write_text(LMF.format(code="de", word="Hund", ili="i46360"), "utf-8")
    want = [Entry("dog", "en", "fr", "noun", (("chien",),))]
    assert list(dictionary(f"wordnet:en-fr:{tmp_path}").entries) == want
    with pytest.raises(InputError, match="one is LMF; expected both in one form"):
        list(dictionary(f"wordnet:en-de:{tmp_path}").entries)


@pytest.mark.parametrize(
    ("spec", "content", "message"),
    [
        ("tsv:en-ko:{}", b"dog\t\xea\xb0\x9c\n", "languages en and ko; the join has en, fr, de, es, zh, ja"),
        ("tsv:en-en:{}", b"dog\thound\n", "languages en and en"),
        ("cedict:en-zh:{}", b"", "a file of kind cedict is zh-en"),
        ("muse:en-fr:{}", b"\n", "no entry of en with a translation into fr"),
        ("kaikki:fr-de:{}", b'{"word": "dog", "lang_code": "en"}\n', "no entry of fr"),
        ("tsv:en-fr:{}", "été\tsummer\n".encode("latin-1"), "damaged, or not of this kind: 'utf-8' codec"),
        ("tei:en-fr:{}", b"<TEI><entry>", "damaged, or not of this kind: no element found"),
        ("jmdict-sqlite:ja-en:{}", b"no database " * 99, "file is not a database"),
        ("dictd:en-fr:{}", b"dog chien\n", "is no line of an index"),
        ("tsv:en-fr:{}.gz", b"dog\tchien\n", "Not a gzipped file"),
        ("tsv:en-fr:{}.gz", gzip.compress(b"dog\tchien\n" * 9, mtime=0)[:-9], "end-of-stream marker"),
        ("muse:en-fr:{}", b"hot dog chien\n", "muse:en-fr.*line 1: 3 words"),
    ],
)
def test_a_dictionary_that_gives_nothing_says_why(tmp_path, spec, content, message):
    path = tmp_path / ("mine.gz" if spec.endswith(".gz") else "mine")
    path.write_bytes(content)
    (tmp_path / "mine.dict.dz").write_bytes(gzip.compress(b""))
    with pytest.raises(InputError, match=message):
        list(dictionary(spec.format(tmp_path / "mine")).entries)
