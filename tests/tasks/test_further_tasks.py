"""Tasks beyond word translation: their pairs, items, prompts and shots."""

from __future__ import annotations

import importlib.util
import json
import math
import re
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from semantic_pivots.errors import InputError
from semantic_pivots.files import read_table
from semantic_pivots.study import key_of, load_study, run_study
from semantic_pivots.tables import from_rows
from semantic_pivots.tasks import facts, lm_eval_choice, questions, sentences
from semantic_pivots.tasks.benchmark_stage import BenchmarkConfig
from semantic_pivots.tasks.committed import rows
from semantic_pivots.tasks.pattern import groups, task_of
from semantic_pivots.tasks.translation import Item, items_of
from semantic_pivots.words import normalise

LEXICON = {
    "dog": ("dog", "chien", "狗"), "bread": ("bread", "pain", "面包"), "snow": ("snow", "neige", "雪"),
    "night": ("night", "nuit", "夜"), "moon": ("moon", "lune", "月亮"), "bridge": ("bridge", "pont", "桥"),
    "museum": ("museum", "musée", "博物馆"), "mountain": ("mountain", "montagne", "山"),
    "king": ("king", "roi", "国王"),
}  # fmt: skip


@pytest.fixture(scope="module")
def words() -> pa.Table:
    return from_rows(
        "words",
        [
            {"concept_id": concept, "language": code, "word": word, "source": "", "licence": ""}
            for concept, forms in LEXICON.items()
            for code, word in zip(("en", "fr", "zh"), forms, strict=True)
        ],
    )


def config(task: str, **changes) -> BenchmarkConfig:
    return BenchmarkConfig(languages=("en", "fr", "zh"), task=task, **{"distractors": 3, **changes})


def items(task: str, words: pa.Table, **changes) -> list[Item]:
    return items_of(from_rows("items", questions.items(config(task, **changes), words)))


@pytest.mark.parametrize("task", sorted(questions.PAIR_MAKERS))
def test_every_committed_task_gives_sound_items(task, words):
    made = items(task, words)
    assert made
    targets = {(item.direction, item.source): item.target for item in made}
    for item in made:
        assert task_of(item.strata) == task
        assert len(set(item.distractors)) == 3
        assert item.source not in item.distractors
        for wrong in item.distractors:
            assert normalise(targets[item.direction, wrong]) != normalise(item.target)
    assert len({item.item_id for item in made}) == len(made)
    assert items(task, words) == made
    assert [i.distractors for i in items(task, words, seed=1)] != [i.distractors for i in made]


@pytest.mark.parametrize("task", sorted(questions.PAIR_MAKERS))
def test_every_prompt_ends_before_its_answer_and_shows_nothing_of_it(task, words):
    made = items(task, words)
    cases = questions.cases(made, words, shots=2, seed=0)
    for item, case in zip(made, cases, strict=True):
        assert case.prompt.endswith(":")
        assert case.answer == f" {item.target}"
        assert f": {item.source}\n" in case.prompt
        shown = [line.partition(": ")[2] for line in case.prompt.split("\n\n", 1)[1].splitlines() if ": " in line]
        assert shown.count(item.source) == 1
        if task != "repetition":
            assert item.target not in shown
        assert len(shown) == 2 * 2 + 1


def test_the_same_concepts_are_kept_in_every_direction(words):
    made = items("capital", words, items_per_direction=7)
    kept = {d: sorted(i.concept_id for i in made if i.direction == d) for d in {i.direction for i in made}}
    assert sorted(kept) == [("en", "en"), ("fr", "fr"), ("zh", "zh")]
    assert len({tuple(v) for v in kept.values()}) == 1
    assert len(made) == 21


def test_facts_cross_languages(words):
    made = {i.item_id: i for i in items("capital-across", words)}
    japan = made["capital-across:JP:fr-zh"]
    assert (japan.source, japan.target) == ("Japon", "东京")
    text = questions.prompt(japan, [], japan.source)
    assert text == "Please name the capital of each country.\n\nPays: Japon\n首都:"
    assert len({i.direction for i in made.values()}) == 6


def test_facts_have_no_names_in_other_languages(words):
    with pytest.raises(InputError, match="no names in it"):
        facts.pairs("capital", ("en", "it"), across=False)


def test_committed_facts_are_what_they_claim():
    table = rows("facts")
    capitals = {r["country"]: r["en_object"] for r in table if r["relation"] == "capital"}
    assert capitals["FR"] == "Paris"
    assert capitals["JP"] == "Tokyo"
    assert capitals["EG"] == "Cairo"
    assert len(capitals) >= 100
    spoken = {r["country"]: r["fr_object"] for r in table if r["relation"] == "language"}
    assert spoken["HU"] == "hongrois"
    money = {r["country"]: r["de_object"] for r in table if r["relation"] == "currency"}
    assert money["JP"] == "Japanischer Yen"
    assert all(all(row.values()) for row in table)


def test_definitions_do_not_name_their_word():
    assert all(row["word"] not in row["definition"].lower() for row in rows("definitions"))


def test_word_translation_keeps_the_published_prompt():
    item = Item("i", "c", "en", "fr", "dog", "chien", ("cat",))
    text = questions.prompt(item, [], "cat")
    assert text == "Please translate words from English to French.\n\nEnglish: cat\nFrench:"


def test_an_unknown_task_names_the_nearest(words):
    with pytest.raises(InputError, match="did you mean 'capital'"):
        questions.items(config("capitol"), words)


def test_too_few_pairs_are_an_error(words):
    with pytest.raises(InputError, match="ask for fewer distractors"):
        questions.items(config("repetition", distractors=9), words)


@pytest.fixture
def flores(tmp_path: Path) -> Path:
    (tmp_path / "eng_Latn.devtest").write_text("The dog sleeps.\nSnow falls.\nHe eats bread.\n", "utf-8")
    (tmp_path / "fra_Latn.devtest").write_text("Le chien dort.\nIl neige.\nIl mange du pain.\n", "utf-8")
    (tmp_path / "zh.txt").write_text("狗在睡觉。\n下雪了。\n他吃面包。\n", "utf-8")
    return tmp_path


def test_sentences_are_read_in_flores_format(flores, words):
    made = items("sentences", words, task_path=str(flores), distractors=2)
    assert len(made) == 6 * 3
    first = next(i for i in made if i.item_id == "sentences:00000:fr-zh")
    assert (first.source, first.target) == ("Le chien dort.", "狗在睡觉。")
    text = questions.prompt(first, [], first.source)
    assert text == "Please translate sentences from French to Chinese.\n\nFrench: Le chien dort.\nChinese:"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: (f / "zh.txt").unlink(), "0 files for 'zh'"),
        (lambda f: (f / "zh.txt").write_text("狗\n"), "lines differ"),
        (lambda f: (f / "zh.txt").write_text("狗\n\n雪\n"), "line 2 is empty"),
        (lambda f: (f / "zh.txt").write_bytes(b"\xff\n"), "not UTF-8 at byte 0"),
    ],
)
def test_bad_parallel_files_are_named(flores, change, message):
    change(flores)
    with pytest.raises(InputError, match=message):
        sentences.read(flores, ("en", "fr", "zh"))


def test_chrf_equals_sacrebleu_and_has_an_interval():
    from sacrebleu import corpus_chrf

    written = ["le chien dort", "il neige", "il mange le pain", "un pont"] * 3
    references = ["le chien dort", "la neige tombe", "il mange du pain", "un grand pont"] * 3
    found, signature = sentences.chrf(written, references, seed=0, resamples=200)
    assert found.value == pytest.approx(corpus_chrf(written, [references]).score)
    assert found.low < found.value < found.high
    assert found.n == 12
    few, _ = sentences.chrf(written[:4], references[:4], seed=0, resamples=200)
    assert math.isnan(few.low)  # below ten sentences there is no interval
    assert "chrF" in signature or "nc:6" in signature


def test_chrf_of_stored_answers_is_per_direction_and_resamples_sentences(flores, words):
    made = items("sentences", words, task_path=str(flores), distractors=2)
    stored = [
        {"item_id": i.item_id, "draw": d, "greedy": i.target if i.direction == ("en", "fr") else "", "correct": True,
         "copied": False}
        for i in made for d in range(2)
    ]  # fmt: skip
    found = sentences.chrf_figures(made, from_rows("answers", stored), seed=0)
    assert found["en", "fr"][0].value == pytest.approx(100)
    assert found["fr", "en"][0].value == 0
    assert found["fr", "en"][0].n == 3
    assert not sentences.chrf_figures([Item("i", "c", "en", "fr", "dog", "chien", ())], from_rows("answers", stored), 0)


@pytest.mark.skipif(importlib.util.find_spec("lm_eval") is None, reason="needs the extra lm-eval")
def test_a_task_of_the_harness_becomes_items(tmp_path, words, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    lines = [{"q": f"What is {n} plus one?", "choices": [str(n), str(n + 1)], "gold": 1} for n in range(6)]
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, lines)), "utf-8")
    (tmp_path / "sums.yaml").write_text(
        "task: sums_of_ours\ndataset_path: json\n"
        f"dataset_kwargs:\n  data_files:\n    test: {tmp_path / 'data.jsonl'}\n"
        "output_type: multiple_choice\ntest_split: test\n"
        'doc_to_text: "{{q}}"\ndoc_to_choice: "{{choices}}"\ndoc_to_target: gold\n',
        "utf-8",
    )
    found = lm_eval_choice.pairs("sums_of_ours", "en", str(tmp_path))["en", "en"]
    assert [(p.source, p.target) for p in found][:2] == [("What is 0 plus one?", "1"), ("What is 1 plus one?", "2")]
    made = items("lm-eval:sums_of_ours", words, task_path=str(tmp_path))
    assert questions.prompt(made[0], [], made[0].source).startswith("Please answer each question.\n\nQuestion: What is")
    with pytest.raises(InputError, match="no task"):
        lm_eval_choice.pairs("sums_of_theirs", "en", str(tmp_path))


PLURALS = "source\ttarget\tquestion\tanswer\theader\n" + "".join(
    f"{one}\t{many}\tsingular\tplural\tPlease give the plural.\n"
    for one, many in (
        ("foot", "feet"),
        ("mouse", "mice"),
        ("child", "children"),
        ("ox", "oxen"),
        ("man", "men"),
        ("“x”", "y"),
    )
)


def test_a_file_of_ones_own_is_a_task_and_is_not_needed_afterwards(tmp_path, words):
    file = tmp_path / "plurals.tsv"
    file.write_text(PLURALS, "utf-8")
    made = items("file", words, task_path=str(file))
    file.unlink()
    assert {task_of(item.strata) for item in made} == {"file-plurals"}
    assert groups(item.strata for item in made) == ["task:file-plurals"]
    foot = next(item for item in made if item.source == "foot")
    (shots,) = questions.shots_by_direction(made, words, 0).values()
    prompt = questions.prompt(foot, shots.draw(foot, 0, 2), "foot")
    assert prompt.startswith("Please give the plural.\n\nsingular: ")
    assert prompt.endswith("singular: foot\nplural:")
    assert prompt.count("plural: ") == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("word\ttarget\na\tb\n", "expected the columns source and target; it has word, target"),
        ("source,target\na,b\n", "its columns are separated by commas, expected tabs"),
        ("source\ttarget\tanswr\na\tb\tc\n", "unknown column 'answr'; did you mean 'answer'?"),
        ("source\ttarget\na\t\n", "row 2: expected 2 cells"),
        ("source\ttarget\na\tb\tc\n", "row 2: expected 2 cells"),
        ("source\ttarget\tquestion\na\tb\tx\nc\td\ty\n", "row 3: another header, question, answer"),
        ("source\ttarget\tconcept_id\na\tb\tx\nc\td\tx\n", "row 3: concept_id 'x' stands twice"),
        ("source\ttarget\tsource_language\na\tb\tjp\n", "did you mean 'ja'"),
    ],
)
def test_a_file_of_ones_own_that_cannot_be_used_is_one_line(tmp_path, words, text, says):
    file = tmp_path / "own.tsv"
    file.write_text(text, "utf-8")
    with pytest.raises(InputError, match=re.escape(says)):
        items("file", words, task_path=str(file))
    with pytest.raises(InputError, match="no file"):
        items("file", words, task_path=str(tmp_path / "nowhere.tsv"))


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Installs a distribution with a module and the entry point `plurals` into a folder of the import path."""

    def install(name: str, rows: str, version: str = "1.2") -> None:
        module = name.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(f"def plurals(languages):\n    return {rows}\n", "utf-8")
        info = tmp_path / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", "utf-8")
        (info / "entry_points.txt").write_text(f"[semantic_pivots.tasks]\nplurals = {module}:plurals\n", "utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, module, raising=False)

    return install


def test_a_task_of_an_installed_package_needs_its_name_alone(install, words, tmp_path):
    rows = [
        dict(zip(PLURALS.splitlines()[0].split("\t"), line.split("\t"), strict=True))
        for line in PLURALS.splitlines()[1:]
    ]
    install("plural-tasks", repr(rows))
    made = items("plurals", words)
    assert {item.direction for item in made} == {("en", "en")}
    assert {task_of(item.strata) for item in made} == {"plurals"}
    foot = next(item for item in made if item.source == "foot")
    assert questions.prompt(foot, [], "foot") == "Please give the plural.\n\nsingular: foot\nplural:"
    assert questions.package_of("plurals") == "plural-tasks 1.2"
    assert key_of(1, config("plurals"), {})["package"] == "plural-tasks 1.2"
    assert "package" not in key_of(1, config("capital"), {})
    with pytest.raises(InputError, match="did you mean 'plurals'"):
        questions.items(config("plural"), words)
    (tmp_path / "study.toml").write_text(
        '[study]\nlanguages = ["en", "fr"]\nstages = ["lexicon", "benchmark"]\n'
        '[benchmark]\ntask = "plurals"\ndistractors = 3\n',
        "utf-8",
    )
    folder = run_study(load_study(tmp_path / "study.toml"), tmp_path / "runs", say=lambda line: None)
    assert len(read_table(folder / "benchmark" / "items.parquet")) == len(rows)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("1 / 0", "task 'plurals' (plural_tasks:plurals of plural-tasks 1.2): ZeroDivisionError: division by zero"),
        ("[]", "has no pairs in en, fr, zh"),
        ("[{'source': 'foot'}]", "expected the columns source and target; it has source"),
        ("[{'source': 'foot', 'target': 'feet'}, {'source': 'ox'}]", "row 2: expected 2 cells of one line of text"),
        ("[{'source': 'foot', 'target': 2}]", "row 1: expected 2 cells of one line of text"),
        ("[{'source': 'a foot', 'target': 'two\\nfeet'}]", "row 1: expected 2 cells of one line of text"),
    ],
)
def test_a_task_of_a_package_that_cannot_be_used_is_one_line(install, words, rows, says):
    install("plural-tasks", rows)
    with pytest.raises(InputError, match=re.escape(says)):
        items("plurals", words)


def test_a_task_that_two_packages_give_is_refused(install, words):
    install("plural-tasks", "[]")
    install("other-plurals", "[]")
    with pytest.raises(InputError, match=r"task 'plurals': .* and .* give it; uninstall all but one"):
        items("plurals", words)


def test_files_of_flores_plus_belong_to_their_languages(tmp_path):
    names = {"en": "eng_Latn", "zh": "cmn_Hans", "ar": "arb_Arab", "et": "ekk_Latn", "ne": "npi_Deva"}
    for code, name in names.items():
        (tmp_path / f"{name}.devtest").write_text(f"\ufeff{code} one\n{code} two\n", "utf-8")
    (tmp_path / "cmn_Hant.devtest").write_text("no\nno\n", "utf-8")
    (tmp_path / "arb_Latn.devtest").write_text("no\nno\n", "utf-8")
    found = sentences.read(tmp_path, list(names))
    assert found == {code: [f"{code} one", f"{code} two"] for code in names}
    (tmp_path / "cmn_Hans.dev").write_text("no\nno\n", "utf-8")
    with pytest.raises(InputError, match=r"3 files for 'zh' \(cmn_Hans.dev, cmn_Hans.devtest"):
        sentences.read(tmp_path, ["zh"])


@pytest.mark.skipif(importlib.util.find_spec("lm_eval") is None, reason="needs the extra lm-eval")
@pytest.mark.parametrize(
    ("text", "choices", "target", "says"),
    [
        ("{{q}}", "{{choices}}", "several", r"document 0: several choices may be right .*\[0, 1\]"),
        ("gold", "{{choices}}", "q", "document 0: one ending of several contexts"),
        ("{{q}}", "{{choices}}", "none", "document 1: the right choice -1 is none of its 2 choices"),
        ("{{q}}", "{{choices}}", "q", "document 0: the right choice 'What is 0 plus one.' is none"),
    ],
)
def test_kinds_of_task_without_one_right_choice_are_refused(text, choices, target, says, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    more = {"gold": 1, "several": [0, 1]}
    lines = [{"q": f"What is {n} plus one?", "choices": [str(n), str(n + 1)], **more, "none": -n} for n in range(3)]
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, lines)), "utf-8")
    (tmp_path / "sums.yaml").write_text(
        "task: sums_of_ours\ndataset_path: json\n"
        f"dataset_kwargs:\n  data_files:\n    test: {tmp_path / 'data.jsonl'}\n"
        "output_type: multiple_choice\ntest_split: test\n"
        f'doc_to_text: "{text}"\ndoc_to_choice: "{choices}"\ndoc_to_target: {target}\n',
        "utf-8",
    )
    with pytest.raises(InputError, match=says):
        lm_eval_choice.pairs("sums_of_ours", "en", str(tmp_path))


def test_a_byte_order_mark_is_no_part_of_the_first_sentence(tmp_path):
    (tmp_path / "en.txt").write_text("\ufeffThe sun.\nThe moon.\n", "utf-8")
    (tmp_path / "fr.txt").write_text("Le soleil.\nLa lune.\n", "utf-8")
    assert sentences.read(tmp_path, ["en", "fr"]) == {
        "en": ["The sun.", "The moon."],
        "fr": ["Le soleil.", "La lune."],
    }
