"""The report in a real browser: nothing cut off, tables that sort and filter, few screens, few printed pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from semantic_pivots.markup import pair_in_order
from semantic_pivots.report.html import cell_html
from semantic_pivots.report.page import build
from tests.browser import NARROW, WIDE, Watched
from tests.report import synthetic
from tests.report.test_report import CONFIG, MANIFESTS


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(build(CONFIG, synthetic.tables(), (), MANIFESTS), "utf-8")
    return path.as_uri()


@pytest.mark.parametrize("width", [WIDE, 1024, NARROW])
def test_nothing_is_cut_off_and_the_page_is_short(browser, address: str, width: int, tmp_path: Path):
    watched = Watched(browser, width)
    page = watched.page
    page.goto(address)
    assert page.evaluate("document.documentElement.scrollHeight") <= 9 * 800
    lefts = page.locator(".answer:not(.pivots)").evaluate_all("cards => cards.map(card => card.offsetLeft)")
    assert len(set(lefts)) in (1, len(lefts))  # one row or one column: no card stands alone in its row
    if width == WIDE:
        assert len(re.findall(rb"/Type\s*/Page[^s]", page.pdf(format="A4"))) <= 12
    page.evaluate("document.querySelectorAll('details').forEach(node => { node.open = true; })")
    page.wait_for_function("document.querySelector('.answer .plot svg') !== null")
    assert watched.too_wide() == []
    assert watched.errors == []
    assert watched.outside(address) == []
    page.close()


LEFTS = """parts => {
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), range = new Range(), nodes = [];
    while (texts.nextNode()) nodes.push(texts.currentNode);
    return parts.map(part => {
        const node = nodes.find(node => node.data.includes(part)), at = node.data.indexOf(part);
        range.setStart(node, at); range.setEnd(node, at + part.length);
        return range.getBoundingClientRect().left;
    });
}"""
"""Where each of some texts is drawn."""


def test_words_that_are_read_from_right_to_left_stand_in_order(browser):
    page = browser.new_page()
    words = ["كلب", "שלום", "قطة", "בית", "dog"]
    pair, cell = pair_in_order(*words[:2]), cell_html(f"{words[2]} (ar) · {words[3]} (he) · {words[4]}", "pivots")
    page.set_content(f"<p>{pair}, model</p><table><tr>{cell}</tr></table>")
    for parts in ([*words[:2], "model"], words[2:]):
        lefts = page.evaluate(LEFTS, parts)
        assert lefts == sorted(lefts)
    assert pair_in_order("cat", "猫") == "cat → 猫"
    page.close()


def test_tables_sort_filter_and_copy(browser, address: str):
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    watched = Watched(context)
    page = watched.page
    page.goto(address + "#score")
    box = page.locator("#score .numbers").first
    box.get_by_role("button", name="value").click()
    values = [float(text.split()[0]) for text in box.locator("tbody tr td:nth-child(3)").all_inner_texts()]
    assert values == sorted(values)
    box.get_by_role("searchbox").fill("en → fr paper")
    assert box.locator("tbody tr:visible").count() == 2  # from en to fr and back
    box.locator("tbody tr:visible button").first.click()
    assert "variant" not in page.evaluate("navigator.clipboard.readText()")
    assert "|paper|" in page.evaluate("navigator.clipboard.readText()")
    assert watched.errors == []
    context.close()
