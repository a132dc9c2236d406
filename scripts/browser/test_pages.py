"""`/docs` and `/redoc` as somebody sees them who opens them in a browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scripts.browser.conftest import Open
from scripts.browser.servers import behind_proxy, behind_root_path, direct, mounted

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

Serve = Callable[[Path], AbstractContextManager[str]]


@pytest.fixture(scope="module", params=[direct, behind_root_path, behind_proxy, mounted], ids=lambda way: way.__name__)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The way that Hayhooks is served, and the URL of its root."""
    serve: Serve = request.param
    with serve(tmp_path_factory.mktemp(serve.__name__)) as url:
        yield serve.__name__, url


def open_operation(page: Page, path: str) -> Locator:
    """Unfold the operation `POST {path}` of Swagger UI, and make its fields writable."""
    operation = page.locator(".opblock", has=page.locator(f'[data-path="{path}"]')).first
    operation.locator(".opblock-summary").click()
    operation.get_by_role("button", name="Try it out").click()
    return operation


def execute(operation: Locator) -> tuple[str, str]:
    """Send the request, and return status and body of the answer as the page shows them."""
    operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table .response").first
    answer.wait_for()
    # The status may be followed by "Undocumented", which would be a mistake of the document.
    status = answer.locator(".response-col_status").inner_text().strip()
    return status, answer.locator(".highlight-code code, .microlight").first.inner_text().strip()


@pytest.mark.parametrize("slash", ["", "/"], ids=["plain", "slash"])
def test_json_request_is_tried(visit: Open, server: tuple[str, str], slash: str) -> None:
    way, url = server
    page = visit(f"{url}/docs{slash}").page

    operation = open_operation(page, "/ask/run")
    operation.locator("textarea.body-param__text").fill('{"question": "Who opens?", "top_k": 2}')
    status, body = execute(operation)
    operation.scroll_into_view_if_needed()
    page.screenshot(path=f"build/browser/docs-json-{way}.png")

    assert status == "200"
    assert '"answer": "You asked: Who opens?"' in body


def test_upload_is_tried(visit: Open, server: tuple[str, str], tmp_path: Path) -> None:
    way, url = server
    page = visit(f"{url}/docs").page
    (tmp_path / "a.txt").write_text("four", encoding="utf-8")

    operation = open_operation(page, "/sizes/run")
    operation.locator('input[type="file"]').set_input_files(tmp_path / "a.txt")
    status, body = execute(operation)
    page.screenshot(path=f"build/browser/docs-upload-{way}.png")

    assert status == "200"
    assert '"a.txt": "4 bytes"' in body


def test_stream_is_tried(visit: Open, server: tuple[str, str]) -> None:
    way, url = server
    page = visit(f"{url}/docs").page

    operation = open_operation(page, "/words/run")
    operation.locator("textarea.body-param__text").fill('{"text": "one after another"}')
    status, body = execute(operation)
    page.screenshot(path=f"build/browser/docs-stream-{way}.png")

    assert (status, body) == ("200", "1:one 2:after 3:another")


@pytest.mark.parametrize("slash", ["", "/"], ids=["plain", "slash"])
def test_reference_is_read_without_scripts(visit: Open, server: tuple[str, str], slash: str) -> None:
    way, url = server
    opened = visit(f"{url}/redoc{slash}", scripts=False)
    page = opened.page

    # Not its inner text, which is empty while the article is out of sight.
    text = page.locator("#post-ask-run").text_content() or ""
    assert "What looks like <script>alert(1)</script> is text." in text
    assert f"{url}/ask/run" in text
    assert page.evaluate("getComputedStyle(document.querySelector('nav')).position") == "sticky"
    page.get_by_role("link", name="/words/run").first.click()
    assert page.url.endswith("#post-words-run")
    opened.shoot(f"reference-{way}")


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 420], ids=["wide", "narrow"])
def test_pages_are_shown_in_both_colours_and_on_small_screens(
    visit: Open, tmp_path: Path, colours: str, width: int
) -> None:
    with direct(tmp_path) as url:
        docs = visit(f"{url}/docs", colours=colours, width=width)
        docs.page.locator(".opblock").first.wait_for()
        docs.shoot(f"docs-{colours}-{width}")
        reference = visit(f"{url}/redoc#post-ask-run", colours=colours, width=width)
        reference.shoot(f"reference-{colours}-{width}")

        for opened in (docs, reference):
            assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
