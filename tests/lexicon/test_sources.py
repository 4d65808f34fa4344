from __future__ import annotations

import gzip
from io import BytesIO

from semantic_pivots.lexicon.concepts import lexicon_path, read_lexicon
from semantic_pivots.lexicon.join import Candidate, Translations, character_overlap, clean, one_to_one
from semantic_pivots.lexicon.sources import cedict, freedict, jmdict
from semantic_pivots.lexicon.sources.entry import Entry


def test_cedict_keeps_senses_and_leaves_names_and_pointers_out():
    lines = [
        "# comment",
        "狗 狗 [gou3] /dog/CL:隻|只[zhi1]/",
        "北京 北京 [Bei3 jing1] /Beijing, capital/",
        "跑 跑 [pao3] /to run; to run away/(of gas) to leak/",
    ]
    dog, run = cedict.read(lines)
    second_form = [line.replace("[", "[[", 1).replace("]", "]]", 1) for line in lines]
    assert list(cedict.read(second_form)) == [dog, run]
    assert dog.senses == (("dog",),)
    assert run.senses == (("to run", "to run away"), ("to leak",))
    assert cedict.simplified_characters(["貓 猫 [mao1] /cat/"]) == {"貓": "猫"}


def test_jmdict_xml_groups_senses_by_part_of_speech():
    xml = """<JMdict><entry><k_ele><keb>犬</keb></k_ele><r_ele><reb>いぬ</reb></r_ele>
    <sense><pos>noun (common) (futsuumeishi)</pos><gloss>dog (Canis familiaris)</gloss>
    <gloss xml:lang="ger">Hund</gloss></sense>
    <sense><misc>archaism</misc><gloss>spy</gloss></sense></entry></JMdict>"""
    (entry,) = jmdict.read_xml(BytesIO(xml.encode()))
    assert entry == Entry("犬", "ja", "en", "noun", (("dog",),))


def test_freedict_dictd_reads_translations_and_not_definitions(tmp_path):
    body = "chien /ʃjɛ̃/ <n, masc>\n1. perro, can\nMammifère carnivore\n2. martillo\nPièce d’une arme\n".encode()
    (tmp_path / "x.dict.dz").write_bytes(gzip.compress(body))
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    size = digits[len(body) // 64] + digits[len(body) % 64]
    (tmp_path / "x.index").write_text(f"chien\tA\t{size}\n", "utf-8")
    (entry,) = freedict.read_dictd(tmp_path / "x.index", "fr", "es")
    assert entry == Entry("chien", "fr", "es", "noun", (("perro", "can"), ("martillo",)))


def test_freedict_tei():
    tei = """<TEI xmlns="http://www.tei-c.org/ns/1.0"><entry><form><orth>Hund</orth></form>
    <gramGrp><pos>n</pos></gramGrp><sense><cit type="trans"><quote>chien</quote></cit></sense></entry></TEI>"""
    assert list(freedict.read_tei(BytesIO(tei.encode()), "de", "fr")) == [
        Entry("Hund", "de", "fr", "noun", (("chien",),))
    ]


def test_freedict_tei_examples_are_no_translations_and_senses_may_lie_in_senses():
    tei = """<TEI xmlns="http://www.tei-c.org/ns/1.0"><entry><form><orth>Hund</orth></form><sense>
    <sense><cit type="trans"><quote>chien</quote></cit><cit type="example"><quote>Schäferhund</quote>
    <cit type="trans"><quote>berger</quote></cit></cit></sense>
    <sense><cit><quote>canin</quote></cit></sense></sense></entry></TEI>"""
    assert list(freedict.read_tei(BytesIO(tei.encode()), "de", "fr")) == [
        Entry("Hund", "de", "fr", "", (("chien",), ("canin",)))
    ]


def test_translations_prefer_the_main_sense_and_count_dictionaries():
    table = Translations()
    table.add([Entry("dog", "en", "fr", "noun", (("chien", "clébard"), ("crampon",)))], "a")
    table.add([Entry("chien", "fr", "en", "noun", (("dog",),))], "b")
    weights = table.of("en", "fr", "noun", "dog")
    assert weights["chien"] == 2.0
    assert weights["chien"] > weights["clébard"] > weights["crampon"]
    assert table.votes["fr", "en", "noun"]["chien"]["dog"] == {"a", "b"}
    assert not table.of("en", "fr", "verb", "dog")


def test_words_are_single_and_german_nouns_capitalised():
    assert clean("to run", "en", "verb") == "run"
    assert clean("fire engine", "en", "noun") == ""
    assert clean("hund", "de", "noun") == ""
    assert clean("Hund", "de", "noun") == "Hund"
    assert character_overlap("学校", "学校") == 1
    assert character_overlap("狗", "いぬ") == 0


def test_one_to_one_takes_the_best_and_drops_only_a_further_word():
    def candidate(en: str, zh: str, de: str) -> Candidate:
        return Candidate("noun", (("en", en), ("fr", en), ("zh", zh), ("ja", zh), ("de", de)), 1.0)

    kept = one_to_one([candidate("a", "甲", "A"), candidate("b", "甲", "B"), candidate("c", "丙", "A")])
    assert [dict(c.words).get("de") for c in kept] == ["A", None]


def test_clwtd_open_holds_what_it_promises():
    languages = ("en", "fr", "zh", "ja", "de", "es")
    rows = read_lexicon(lexicon_path("clwtd-open"), languages)
    assert sum(all(row[code] for code in languages[:4]) for row in rows) >= 2000
    assert sum(all(row[code] for code in languages) for row in rows) >= 1000
    assert {row["pos"] for row in rows} == {"noun", "verb", "adjective"}
    for code in languages:
        words = [row[code] for row in rows if row[code]]
        assert len(set(words)) == len(words)
        assert all(row[f"{code}.source"] and row[f"{code}.licence"] for row in rows if row[code])
