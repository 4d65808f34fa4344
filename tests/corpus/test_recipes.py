"""Extractors on small files of each kind, and the fetcher on a package built here, without network."""

from __future__ import annotations

import dataclasses
import gzip
import shutil
import subprocess
from pathlib import Path

import pytest

from semantic_pivots.corpus import fetch, shards
from semantic_pivots.corpus.corpus_stage import CorpusConfig
from semantic_pivots.corpus.recipes import debian, extract
from semantic_pivots.errors import InputError
from semantic_pivots.run import Inputs, Work

needs_dpkg = pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="dpkg-deb is Debian's")
needs_apt = pytest.mark.skipif(not shutil.which("apt-get"), reason="apt-get is Debian's")


def test_html_keeps_the_content_and_drops_navigation():
    area = "<div id='DisplayArea'><h1>セル</h1><!-- c --><p>cell&nbsp;A1\n  <b>は</b>x<br>y</p><script>x()</script>"
    page = f"<html><body><nav>menu</nav>{area}<pre>a\n b</pre></div></body></html>"
    assert extract.html_text(page.encode()) == "セル\ncell A1 はx\ny\na\nb"
    assert extract.html_text(b"") == ""
    latin = "<html><head><meta charset='iso-8859-1'></head><body><p>\u00e9t\u00e9</p></body></html>"
    assert extract.html_text(latin.encode("latin-1")) == "\u00e9t\u00e9"


def test_mallard_keeps_text_and_drops_credits():
    page = """<page xmlns="http://projectmallard.org/1.0/"><info><credit><name>A B</name></credit></info>
    <title>Écran</title><p>Le <gui>menu</gui> système</p></page>"""
    assert extract.xml_text(page.encode()) == "Écran\nLe menu système"


def test_roff_keeps_words_and_drops_layout():
    page = (
        '.\\" comment\n.TH LS 1 2020\n.SH "NOM"\nls \\- afficher le \\fBcontenu\\fP\n.PP\n.B \\-a , \\-\\-all\n'
        ".nh\nn\\(aqest \\(lqpas\\(rq\n"
    )
    expected = 'NOM\nls - afficher le contenu\n-a , --all\nn\'est "pas"'
    assert extract.roff_text(page.encode()) == expected
    assert extract.roff_text(gzip.compress(page.encode())) == expected
    assert extract.roff_text(b".so man1/ls.1\n") == ""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    page = root / "usr/share/man/fr/man1/ls.1"
    page.parent.mkdir(parents=True)
    page.write_text(".SH NOM\nls \\- afficher\n", "utf-8")
    (root / "usr/share/man/fr/man1/dir.1").write_text(".SH NOM\ndir\n")
    (root / "DEBIAN").mkdir()
    (root / "DEBIAN/control").write_text(
        "Package: manpages-fr\nVersion: 1:2-3\nArchitecture: all\nMaintainer: A <a@b.c>\nDescription: d\n"
    )
    deb = tmp_path / "cache/debian/archives/manpages-fr_1%3a2-3_all.deb"
    deb.parent.mkdir(parents=True)
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", root, deb], check=True, capture_output=True)
    return deb


@needs_dpkg
def test_a_cached_package_needs_no_network_and_gives_its_pages(package, tmp_path, monkeypatch):
    def no_command(*arguments, **keys):
        raise AssertionError(f"a command was run: {arguments}")

    cache = tmp_path / "cache"
    with monkeypatch.context() as context:
        context.setattr(fetch.subprocess, "run", no_command)
        found, absent = fetch.DebianPackages(cache).fetch(["manpages-fr"])
    assert (found, absent) == ({"manpages-fr": package}, [])
    assert fetch.package_version(package) == "1:2-3"
    unit = debian.Unit("debian-demo", "manpages", "manpages-fr", "fr", str(package), debian._manuals("fr")[0][1])
    found = list(debian.documents(unit, cache))
    assert [d.id for d in found] == [f"manpages-fr:/usr/share/man/fr/man1/{name}.1" for name in ("dir", "ls")]
    assert (found[1].text, found[1].language, found[1].source) == ("NOM\nls - afficher", "fr", "manpages")


@needs_dpkg
def test_a_package_of_another_layout_is_told(package, tmp_path, monkeypatch):
    pages = debian.Unit("debian-demo", "manpages", "manpages-fr", "fr", str(package), r"/man/fr/man\d/")
    moved = dataclasses.replace(pages, package="gimp-help-fr", pattern="/help/")
    monkeypatch.setattr(shards, "units", lambda *arguments: [pages, moved])
    work = Work(tmp_path / "work", tmp_path / "out")
    work.folder.mkdir()
    work.out.mkdir()
    tables = shards.corpus_stage(CorpusConfig(recipe="debian-demo", languages=("fr",), workers=1), Inputs({}), work)
    assert sum(tables["shards"]["documents"].to_pylist()) == 2
    assert work.warnings == [
        "corpus debian-demo: 1 of 2 packages give no text, such as gimp-help-fr.fr: they lack the language, or are "
        "laid out otherwise than expected"
    ]


@needs_dpkg
def test_a_damaged_package_is_named(package):
    package.write_bytes(package.read_bytes()[:-200])
    with pytest.raises(InputError, match=r"manpages-fr.*damaged.*delete it"):
        list(fetch.package_files(package, "."))


@needs_apt
def test_without_network_the_error_says_so_and_nothing_is_remembered(tmp_path, monkeypatch):
    # A proxy on a port where nothing listens.
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setattr(fetch, "RETRIES", 0)
    with pytest.raises(InputError, match="check the network"):
        fetch.DebianPackages(tmp_path).fetch(["manpages-fr"])
    assert not (tmp_path / "debian/absent").exists()


def test_without_apt_the_error_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"needs apt-get.*path = FOLDER"):
        fetch.DebianPackages(tmp_path).fetch(["manpages-fr"])
