"""The page in a real browser: charts are drawn, points can be hovered, nothing else happens."""

import shutil

import pytest
from test_report import _poisoned, searched  # noqa: F401

from lightning_lossmeta.report import write_report

pytest.importorskip("vl_convert")
playwright = pytest.importorskip("playwright.sync_api", reason="there is no Playwright")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium on the path")


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield opened
        opened.close()


def _open(browser, path, **options):
    """The page with all charts drawn, and what it said or asked for."""
    said = []
    page = browser.new_page(**options)
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: (said.append("dialog"), dialog.dismiss()))
    page.on("request", lambda request: said.append(request.url))
    page.goto(path.as_uri())
    count = page.locator(".chart").count()
    page.wait_for_function(f"document.querySelectorAll('[data-drawn]').length == {count}")
    return page, [text for text in said if not text.startswith("file:")]


@pytest.mark.parametrize("poisoned", [False, True])
def test_it_is_drawn(browser, searched, tmp_path, poisoned):  # noqa: F811
    run = shutil.copytree(searched, tmp_path / "run")
    path = write_report(_poisoned(run) if poisoned else run)
    page, said = _open(browser, path, color_scheme="dark", viewport={"width": 400, "height": 800})
    points = page.locator("#chart-candidates .mark-symbol.role-mark path")
    assert points.count() == 12 + (not poisoned), "candidates, and the ring of the learned loss"
    points.nth(3).hover(force=True)
    shown = page.locator("#vg-tooltip-element.visible")
    assert "generation" in shown.inner_text()
    assert ("<script>" if poisoned else "mean_k[") in shown.inner_text()
    wider = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(wider) == 0, "a phone scrolls down alone"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 27)"
    assert said == []
    page.close()


def test_charts_that_were_drawn_on_a_wide_screen_fit_on_paper(browser, searched, tmp_path):  # noqa: F811
    path = write_report(shutil.copytree(searched, tmp_path / "run"))
    page, _ = _open(browser, path, color_scheme="dark", viewport={"width": 1200, "height": 800})
    page.emulate_media(media="print")
    widths = """() => [...document.querySelectorAll('.chart')].map(
        chart => [chart.querySelector('svg').getBoundingClientRect().width,
                  chart.getBoundingClientRect().width])"""
    page.locator(".chart").first.evaluate("chart => document.body.style.width = '600px'")
    for drawn, room in page.evaluate(widths):
        assert 0 < drawn <= room + 1
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.close()
