"""The report in a real browser: it renders without console messages or network requests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

webdriver = pytest.importorskip("selenium.webdriver")

pytestmark = pytest.mark.tools

#: Chromium contacts its vendor's hosts when it starts; these flags prevent that.
_SILENT = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture
def page(standard_report: Path) -> Path:
    return standard_report / "report.html"


@pytest.fixture
def browser(require_tool: Callable[[str], str], tmp_path: Path) -> Iterator[Any]:
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = require_tool("chromium")
    for argument in (*_SILENT, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(require_tool("chromedriver")))
    # Discard the requests of the browser's own start page.
    driver.get("about:blank")
    driver.get_log("performance")
    driver.get_log("browser")
    yield driver
    driver.quit()


def _requests(browser: Any) -> list[str]:
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]


def test_it_renders_without_messages_or_requests(browser: Any, page: Path) -> None:
    browser.get(page.as_uri())
    assert browser.get_log("browser") == []
    asked = [url for url in _requests(browser) if not url.startswith("data:")]
    assert asked == [page.as_uri()]
    pictures = browser.find_elements("css selector", "svg.plot")
    assert len(pictures) == 9
    for picture in pictures:
        assert picture.size["width"] > 300
        assert picture.size["height"] > 150
        assert picture.accessible_name
    assert "× less than in fp16" in browser.find_element("css selector", ".headline").text


@pytest.mark.parametrize("width", [320, 390, 768])
def test_a_phone_does_not_scroll_sideways(browser: Any, page: Path, width: int) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 800, "deviceScaleFactor": 2, "mobile": True},
    )
    browser.get(page.as_uri())
    inner = browser.execute_script("return document.documentElement.scrollWidth")
    assert inner == width
    for picture in browser.find_elements("css selector", "svg.plot"):
        assert picture.rect["x"] + picture.rect["width"] <= width


def test_it_prints(browser: Any, page: Path) -> None:
    browser.get(page.as_uri())
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": False})
    assert printed["data"].startswith("JVBERi")  # %PDF- in base 64
