"""A headless Chromium that can reach the server alone, and notes what it tried and complained about."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Route

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SHOTS = Path(__file__).resolve().parents[2] / "build" / "browser"

Colours = Literal["light", "dark"]


@dataclass
class Visit:
    """A page that is open, what it asked other hosts for, and its errors."""

    page: Page
    url: str
    outside: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def shoot(self, name: str, *, whole: bool = False) -> None:
        """Keep a screenshot in build/browser."""
        self.page.screenshot(path=SHOTS / f"{name}.png", full_page=whole)

    def hear(self, message: ConsoleMessage) -> None:
        """Note an error; no warnings, for of a list of files Swagger UI warns that it has no component for them."""
        if message.type == "error":
            self.complaints.append(message.text)


Open = Callable[..., Visit]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium; tests are skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason='needs pip install "hayhooks[browser]"')
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"none of these is installed: {', '.join(NAMES)}")
    SHOTS.mkdir(parents=True, exist_ok=True)
    # Chromium refuses its sandbox to root, as which containers often run.
    arguments = [
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        *(["--no-sandbox"] if os.geteuid() == 0 else []),
    ]
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=program, args=arguments)
        yield started
        started.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Open]:
    """Open a page; at the end of the test no other host was asked and nothing was complained about."""
    visits: list[Visit] = []

    def open_page(url: str, *, colours: Colours = "light", width: int = 1280, scripts: bool = True) -> Visit:
        context: BrowserContext = browser.new_context(
            color_scheme=colours, viewport={"width": width, "height": 900}, java_script_enabled=scripts
        )
        opened = Visit(context.new_page(), url)
        visits.append(opened)
        origin = urlsplit(url).netloc

        def let_through(route: Route) -> None:
            if urlsplit(route.request.url).netloc == origin:
                route.continue_()
                return
            opened.outside.append(route.request.url)
            route.abort()

        context.route("**/*", let_through)
        opened.page.on("pageerror", lambda error: opened.complaints.append(str(error)))
        opened.page.on("console", opened.hear)
        answer = opened.page.goto(url)
        assert answer is not None and answer.status == 200
        return opened

    yield open_page
    for opened in visits:
        opened.page.context.close()
    assert [opened.outside for opened in visits] == [[] for _ in visits]
    assert [opened.complaints for opened in visits] == [[] for _ in visits]
