"""The explorer in a real browser: search, lens, deep links, a narrow screen, keyboard, any word by a live model."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode

import pytest
import uvicorn
from starlette.requests import Request

from semantic_pivots.commands.explore import HOST, Pages, application
from semantic_pivots.report.explorer import write_static
from semantic_pivots.report.explorer_data import Explorer
from tests.browser import NARROW, WIDE, Watched

UNNAMED = """[...document.querySelectorAll('input, select, button, [role=img]')].filter(
    node => !node.labels?.length && !node.getAttribute('aria-label') && !node.textContent.trim()).length"""
"""Controls and pictures that a screen reader could not name."""


@pytest.fixture(scope="module")
def files(run: Path) -> str:
    write_static(run, run.parent / "static")
    return (run.parent / "static" / "index.html").as_uri()


@pytest.fixture(scope="module")
def address(run: Path):
    with socket.socket() as held:
        held.bind((HOST, 0))
        server = uvicorn.Server(uvicorn.Config(application(run, str(run.parent / "model")), log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [held]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://{HOST}:{held.getsockname()[1]}/"
        server.should_exit = True
        thread.join()


OVERLAPS = """() => {
    const legend = document.querySelector('.legend').getBoundingClientRect();
    const alike = [...document.querySelectorAll('.passage')].filter(passage => {
        const lines = [...passage.querySelectorAll('p[dir]')].map(line => line.textContent);
        return new Set(lines).size < lines.length;
    });
    return [legend.bottom > document.querySelector('.nsewdrag').getBoundingClientRect().top + 1, alike.length];
}"""
"""Whether the legend covers the curves; passages that show the same letters twice."""


def test_search_keyboard_lens_and_a_link_that_holds_the_state(browser, files: str):
    watched = Watched(browser, WIDE)
    page = watched.page
    page.goto(files)
    page.wait_for_selector("#path")
    page.keyboard.press("/")
    page.keyboard.type("neige")
    assert page.locator("#results a").count() == 1
    page.keyboard.press("Enter")
    page.wait_for_function("location.hash.includes('concept=snow')")
    page.get_by_label("direction", exact=True).select_option("fr-zh")
    page.wait_for_function("document.querySelector('h2').textContent === 'neige → 雪'")
    page.get_by_label("show", exact=True).select_option("layers")
    page.wait_for_selector("#path.layers")
    first_lens = page.locator("#path").inner_text()
    page.get_by_label("lens", exact=True).select_option("tuned")
    page.wait_for_function("location.hash.includes('lens=tuned')")
    page.wait_for_function("text => document.getElementById('path').innerText !== text", arg=first_lens)
    state, chips = page.url, page.locator("#path .chip").all_inner_texts()
    assert page.locator("h2 bdi").last.get_attribute("lang") == "zh-Hans"
    again = Watched(browser, NARROW)
    again.page.goto(state)
    again.page.wait_for_selector("#path.layers")
    assert again.page.get_by_label("lens", exact=True).input_value() == "tuned"
    assert again.page.locator("h2").inner_text() == "neige → 雪"
    assert again.page.locator("#path .chip").all_inner_texts() == chips
    assert again.too_wide() == []
    again.page.wait_for_selector(".legend")
    again.page.wait_for_selector(".passage")
    assert again.page.evaluate(OVERLAPS) == [False, 0]
    assert again.page.locator(".passage p:has(mark ~ mark)").count() > 0
    for one in (watched, again):
        assert one.errors == []
        assert one.outside(files.removesuffix("index.html")) == []
        assert one.page.evaluate(UNNAMED) == 0
        one.page.close()


def test_any_word_is_read_by_the_live_model(browser, address: str):
    watched = Watched(browser, WIDE)
    page = watched.page
    page.goto(address)
    page.wait_for_selector("#path")
    page.get_by_label("text to read now").fill("dog, zebra")
    page.get_by_role("button", name="read it now").click()
    page.wait_for_function("document.querySelectorAll('#body h3').length === 2")
    assert page.locator("#body h3").first.inner_text() == "dog → chien"
    assert "Please translate words from English to French" in page.locator("pre").first.text_content()
    prompt = "The dog sleeps.\nThe "
    page.get_by_label("read as").select_option("prompt")
    page.get_by_label("text to read now").fill(prompt)
    page.get_by_label("text to read now").press("Enter")
    page.wait_for_function("document.querySelectorAll('#body h3').length === 1")
    assert page.locator("pre").text_content() == prompt
    state, strip = page.url, page.locator("#path").inner_text()
    page.get_by_label("read as").select_option("words")
    page.get_by_label("languages to read between").fill("de-ar")  # two that the run does not have
    page.get_by_label("text to read now").fill("Hund")
    page.get_by_role("button", name="read it now").click()
    page.wait_for_function("document.querySelector('#body h3').textContent.startsWith('Hund')")
    assert page.locator("#body h3").inner_text() == "Hund → كلب"
    assert page.locator("pre").text_content().count("Arabic: ") == 5  # shots of a lexicon that ships
    assert page.get_by_label("direction", exact=True).input_value() == "de-ar"
    page.get_by_label("text to read now").fill(",")
    page.get_by_role("button", name="read it now").click()
    page.wait_for_function("document.getElementById('live-state').textContent.includes('no word')")
    page.locator("#results a").first.click()
    page.wait_for_selector("#neighbours")
    assert page.locator("#live-state").text_content() == ""
    page.goto("about:blank")
    page.goto(state)
    page.wait_for_selector("pre", state="attached")
    assert page.locator("#path").inner_text() == strip
    assert [error for error in watched.errors if "400" not in error] == []
    assert watched.outside(address) == []
    page.close()


def test_who_moves_on_ends_what_is_read_and_is_shown_the_word(browser, address: str):
    watched = Watched(browser, WIDE)
    page, ended = watched.page, []
    page.on("requestfailed", lambda request: ended.append(request.failure))
    page.route("**/live?*", lambda route: None)  # the model never answers
    page.goto(address + "#live=dog&direction=en-fr")
    page.wait_for_function("document.getElementById('live-state').textContent === 'reading …'")
    page.locator("#results a").first.click()
    page.wait_for_selector("#neighbours")
    assert ended == ["net::ERR_ABORTED"]
    assert page.locator("#live-state").text_content() == ""
    assert page.locator("#main").get_attribute("aria-busy") == "false"
    page.close()


def test_words_after_the_user_has_moved_on_are_not_read(run: Path):
    pages = Pages(Explorer(run), str(run.parent / "model"), "float32", ("logit",))
    messages = iter(["http.request", "http.request", "http.disconnect", "http.disconnect"])

    async def receive() -> dict:
        return {"type": next(messages)}

    query = urlencode({"words": "dog,snow,moon,bread", "direction": "en-fr"}).encode()
    request = Request({"type": "http", "method": "GET", "headers": [], "query_string": query}, receive)
    with ThreadPoolExecutor(1) as thread:  # this one has the browser's loop
        answer = json.loads(thread.submit(asyncio.run, pages.live(request)).result().body)
    assert [word["source"] for word in answer["words"]] == ["dog", "snow"]


def test_the_keyboard_alone_goes_through_words_and_stays_where_it_is(browser, files: str):
    watched = Watched(browser, WIDE)
    page = watched.page
    page.goto(files)
    page.wait_for_selector("#neighbours")
    keys = page.keyboard
    focus = "document.activeElement"
    keys.press("/")
    keys.press("ArrowDown")
    keys.press("ArrowDown")
    second = page.evaluate(f"{focus}.querySelector('b').textContent")
    keys.press("Enter")
    page.wait_for_function("name => location.hash.includes('concept=' + name)", arg=second)
    page.wait_for_function(f"{focus}.getAttribute('aria-current') === 'true'")
    for name in ("direction", "turn", "lens", "view"):  # the list is one stop of the tabulator
        keys.press("Tab")
        assert page.evaluate(f"{focus}.id") == name
    page.locator("#neighbours a").first.focus()
    keys.press("Enter")
    page.wait_for_function(f"{focus}.tagName === 'H2'")
    assert page.evaluate("document.querySelector('h2').getBoundingClientRect().top >= 0")
    page.goto(files + "#concept=nothing+of+the+run")
    page.wait_for_function("document.getElementById('head').textContent.includes('no concept nothing of the run')")
    assert watched.errors == []
    page.close()


def test_another_host_name_is_refused(address: str):
    import urllib.error
    import urllib.request

    request = urllib.request.Request(address, headers={"Host": "elsewhere.example"})
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(request)
