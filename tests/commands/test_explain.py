import polars
import pytest
import torch
from rich.console import Console
from typer.testing import CliRunner

from semantic_pivots.cli import app
from semantic_pivots.commands.explain import Reader, Step, WordPath, questions_of, table, write_picture
from semantic_pivots.errors import InputError
from semantic_pivots.models.load import load
from semantic_pivots.report.word_page import page, write_page
from tests import miniature


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explain")
    miniature.write(folder)
    return str(folder / "model")


@pytest.fixture(scope="module")
def reader(model):
    return Reader(model, lenses=("logit", "patchscope"))


def test_the_path_ends_where_the_model_does(model, reader, tmp_path):
    (question,) = questions_of("en", "dog", "fr")
    found, other = reader.paths(question)
    assert (found.lens, other.lens) == ("logit", "patchscope")
    assert found.target == "chien"
    assert len(found.steps) == 3
    loaded = load(model)
    with torch.inference_mode():
        ids = torch.tensor([loaded.tokenizer(found.prompt)["input_ids"]])
        probs = torch.softmax(loaded.model(input_ids=ids).logits[0, -1], -1).topk(5)
    for path in (found, other):  # every lens ends with the model's own answer
        assert path.steps[-1].probs == pytest.approx(probs.values.tolist(), abs=1e-5)
    console = Console(width=200, record=True)
    console.print(table(found))
    assert "dog → chien" in console.export_text()
    assert write_picture(found, tmp_path / "deep" / "path").read_bytes().startswith(b"\x89PNG")


def test_several_words_become_one_small_page_with_their_prompts(model, tmp_path):
    command = ["explain", model, "en", "dog, cat=minou", "fr", "--out", str(tmp_path / "words"), "--lens", "logit"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "dog → chien" in result.output
    assert "cat → minou" in result.output
    assert "Please translate words from English to French." in result.output
    text = (tmp_path / "words.html").read_text("utf-8")
    assert len(text.encode()) < 300_000
    assert "<script" not in text
    assert "http" not in text


def test_any_two_languages_with_a_lexicon_or_with_the_words_alone(reader, tmp_path):
    (tmp_path / "own.tsv").write_text(
        "concept_id\tpos\tgd\tmi\n" + "".join(f"c{i}\tnoun\tg{i}\tm{i}\n" for i in range(9))
    )
    (question,) = questions_of("gd", "g3", "mi", lexicon=str(tmp_path / "own.tsv"))
    assert question.target == "m3"
    assert question.prompt.count("\n\n") == 6
    with pytest.raises(InputError, match="no column fr; it has gd, mi"):
        questions_of("gd", "g3", "fr", lexicon=str(tmp_path / "own.tsv"))
    first, second = questions_of("gd", "cù=kurī,cat=ngeru", "mi")
    assert (first.target, second.target) == ("kurī", "ngeru")
    assert "cat" in first.prompt
    assert "kurī" not in first.prompt
    assert reader.paths(first)[0].steps


def test_a_runs_words_serve_and_its_pivots_are_no_condition(model, tmp_path):
    (tmp_path / "lexicon").mkdir()
    rows = [(f"c{i}", code, f"{code}{i}") for i in range(9) for code in ("en", "fr")]
    polars.DataFrame(rows, schema=["concept_id", "language", "word"], orient="row").write_parquet(
        tmp_path / "lexicon" / "words.parquet"
    )
    (question,) = questions_of("en", "en4", "fr", run=tmp_path)
    assert (question.target, question.pivots) == ("fr4", ())


def test_shots_show_nothing_of_the_word():
    (question,) = questions_of("en", "dog", "fr")
    assert question.prompt.count("dog") == 1
    assert "chien" not in question.prompt


def test_a_csv_given_as_a_lexicon_is_told(tmp_path):
    (tmp_path / "words.tsv").write_text("concept_id,pos,en,fr\na,noun,dog,chien\n")
    with pytest.raises(InputError, match="separated by commas; expected tabs"):
        questions_of("en", "dog", "fr", lexicon=str(tmp_path / "words.tsv"))


def test_an_unknown_language_is_told():
    with pytest.raises(InputError, match="did you mean 'fr'"):
        questions_of("en", "dog", "french")
    with pytest.raises(InputError, match=r"^lexicon 'none\.tsv': expected one of"):
        questions_of("en", "dog", "fr", lexicon="none.tsv")
    with pytest.raises(InputError, match="no word"):
        questions_of("en", " , ", "fr")
    with pytest.raises(InputError, match="no word in 'dog,=chat'"):
        questions_of("en", "dog,=chat", "fr")


def test_a_reader_without_a_lens_is_told(model):
    with pytest.raises(InputError, match="names no lens; expected logit"):
        Reader(model, lenses=())


def test_pivots_of_a_run_are_marked(reader, tmp_path):
    (plain,) = questions_of("en", "dog", "fr")
    steps = reader.paths(plain)[0].steps
    shown = [t for step in steps for t, kind in zip(step.tokens, step.kinds, strict=True) if not kind and t.isalpha()]
    item = {"item_id": "i", "source_language": "en", "target_language": "fr", "source": "dog"}
    (tmp_path / "lexicon").mkdir()
    words = [(c, code, word) for c, code, word in (("dog", "en", "dog"), ("dog", "fr", "chien"))]
    polars.DataFrame(words, schema=["concept_id", "language", "word"], orient="row").write_parquet(
        tmp_path / "lexicon" / "words.parquet"
    )
    for stage, name, rows in (
        ("benchmark", "items", [item]),
        ("discover", "pivots", [{"item_id": "i", "text": f" {shown[0]}"}]),
    ):
        (tmp_path / stage).mkdir()
        polars.DataFrame(rows).write_parquet(tmp_path / stage / f"{name}.parquet")
    (question,) = questions_of("en", "dog", "fr", run=tmp_path)
    assert question.pivots == (shown[0],)
    ids = dict(reader._tokenizer.get_vocab())
    assert reader.marker(question).mark(ids[shown[0]]).kind == "pivot"


def test_tokens_are_drawn_letter_by_letter(tmp_path):
    """Each of these is a formula to matplotlib, a style to rich, or bold to plotly."""
    words = ["$$", "$x$ $", "[/INST]", "[/b]", "[red]", "<b>", "\\", "&lt;"]
    steps = [Step(0, words[:5], [0.2] * 5, [""] * 5, 1.0), Step(1, words[3:], [0.2] * 5, [""] * 5, 1.0)]
    found = WordPath("a/[model]", "[/b]", "$$", steps, "")
    console = Console(width=200, record=True)
    console.print(table(found, 200))
    shown = console.export_text()
    assert all(word in shown for word in (*words, "[/b] → $$, a/[model]"))
    assert "&lt;b&gt;" in write_page("a/[model]", [found], tmp_path / "path").read_text("utf-8")
    assert "<b>" not in page("m", [found])
    picture = write_picture(found, tmp_path / "path")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_negative_shots_are_told():
    with pytest.raises(InputError, match="shots = -1: expected 0 or more"):
        questions_of("en", "dog", "fr", shots=-1)
