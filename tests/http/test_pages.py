"""`/docs` and `/redoc`, and the files they need."""

from __future__ import annotations

import gc
import gzip
import os
import re
import subprocess
import sys
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from hayhooks import BasePipelineWrapper, Hayhooks, Settings
from hayhooks.http.assets import Content
from hayhooks.reference.page import render_reference
from tests.http.wrappers import ECHO, deploy
from tests.reference.reading import Page

POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'self'"
)
PAGES = ["/docs", "/docs/", "/redoc", "/redoc/"]
FILES = {
    "reference.css": "text/css; charset=utf-8",
    "swagger.css": "text/css; charset=utf-8",
    "swagger.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "favicon-32x32.png": "image/png",
}


@pytest.mark.parametrize("path", PAGES)
def test_page_is_html_that_may_load_from_its_own_server_alone(client: TestClient, path: str) -> None:
    response = client.get(path)

    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["content-security-policy"] == POLICY
    assert response.headers["cache-control"] == "no-cache"


class Silent(BasePipelineWrapper):
    def setup(self) -> None: ...

    def run_api(self) -> None: ...


def mounted() -> ASGIApp:
    return Starlette(routes=[Mount("/ai", app=Hayhooks())])


def with_root_path() -> ASGIApp:
    return Hayhooks(settings=Settings(root_path="/ai"))


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(
    ("make_app", "prefix", "stripped"),
    [
        pytest.param(Hayhooks, "", "", id="alone"),
        pytest.param(mounted, "/ai", "", id="mounted"),
        pytest.param(with_root_path, "/ai", "", id="root-path"),
        pytest.param(with_root_path, "/ai", "/ai", id="root-path-stripped"),
        pytest.param(Hayhooks, "/unknown", "/unknown", id="unknown-prefix-stripped"),
    ],
)
def test_what_a_page_needs_is_found_wherever_the_page_is_served(
    make_app: type[Hayhooks], prefix: str, stripped: str, path: str
) -> None:
    seen = f"http://books.example{prefix}{path}"

    with TestClient(make_app(), base_url="http://books.example") as client:

        def get(address: str) -> str:
            """Fetch what a browser would, through a proxy that may strip a prefix."""
            parts = urlsplit(urljoin(seen, address))
            assert parts.netloc == "books.example"
            response = client.get(parts.path.removeprefix(stripped), params=parts.query)
            assert (address, response.status_code) == (address, 200)
            return response.text

        page = Page(html := get(seen))
        links = [link for link in page.links if not link.startswith("#")]
        for address in [*page.loaded, *links, *re.findall(r'data-document="(.+?)"', html)]:
            get(address)

    assert len(page.loaded) == (5 if path.startswith("/docs") else 2)


@pytest.mark.parametrize(
    ("make_app", "path", "server"),
    [
        pytest.param(Hayhooks, "/redoc", "https://books.example:8443", id="alone"),
        pytest.param(mounted, "/ai/redoc", "https://books.example:8443/ai", id="mounted"),
        pytest.param(with_root_path, "/redoc", "https://books.example:8443/ai", id="root-path"),
    ],
)
def test_commands_call_the_server_as_the_reader_does(make_app: type[Hayhooks], path: str, server: str) -> None:
    with TestClient(make_app(), base_url="https://books.example:8443") as client:
        page = Page(client.get(path).text)

    assert f"curl {server}/health Answers" in page.text("get-health")


@pytest.mark.parametrize("host", ["", "<script>", "[", "a b", "a'$(id)"])
def test_host_that_is_none_is_not_repeated(client: TestClient, host: str) -> None:
    page = Page(client.get("/redoc", headers={"host": host}).text)

    assert "curl http://localhost/health Answers" in page.text("get-health")


def test_reference_shows_a_pipeline_as_soon_as_it_is_deployed(app: Hayhooks, client: TestClient) -> None:
    before = client.get("/redoc")
    deploy(app, ECHO, name="日 本")
    after = client.get("/redoc", headers={"if-none-match": before.headers["etag"]})

    assert "post-日-本-run" not in Page(before.text).ids
    assert "/%E6%97%A5%20%E6%9C%AC/run" in Page(after.text).text("post-日-本-run")


def test_reference_shows_markup_in_a_docstring_as_text(app: Hayhooks, client: TestClient) -> None:
    deploy(app, 'def run_api(self) -> str:\n    """Say <script>alert(1)</script>."""\n    return ""')
    page = Page(client.get("/redoc").text)

    assert "Say <script>alert(1)</script>." in page.text("post-p-run")
    assert "script" not in page.tags


def test_reference_without_admin_does_not_show_what_is_not_there() -> None:
    with TestClient(Hayhooks(admin=False)) as client:
        ids = Page(client.get("/redoc").text).ids

    assert "post-deploy_files" not in ids
    assert "get-status" in ids


def test_reference_is_made_once_for_each_of_the_names_of_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def counted(*args: Any, server: str, **options: Any) -> str:
        made.append(server)
        return render_reference(*args, server=server, **options)

    monkeypatch.setattr("hayhooks.reference.page.render_reference", counted)
    app = Hayhooks()
    hosts = ["a.example", "b.example"]
    with TestClient(app) as client:
        first = [client.get("/redoc", headers={"host": host}).text for host in hosts]
        second = [client.get("/redoc", headers={"host": host}).text for host in hosts]
        deploy(app, ECHO, name="new")
        third = client.get("/redoc", headers={"host": "a.example"}).text

    assert second == first
    assert made == ["http://a.example", "http://b.example", "http://a.example"]
    assert "post-new-run" in Page(third).ids


def test_names_that_clients_make_up_do_not_fill_the_memory() -> None:
    app = Hayhooks()
    gc.collect()
    with TestClient(app) as client:
        for number in range(20):
            client.get("/redoc", headers={"host": f"{number}.made-up"})
    kept = [content for content in gc.get_objects() if isinstance(content, Content) and b".made-up" in content.plain]

    assert len(kept) == 4


@pytest.mark.parametrize("path", PAGES)
def test_page_that_the_browser_has_is_not_sent_again(client: TestClient, path: str) -> None:
    tag = client.get(path).headers["etag"]
    same = client.get(path, headers={"if-none-match": f'"other", {tag}'})
    other = client.get(path, headers={"if-none-match": '"other"'})

    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    assert other.status_code == 200


@pytest.mark.parametrize("name", FILES)
def test_file_may_be_kept_for_as_long_as_its_address_is_the_same(client: TestClient, name: str) -> None:
    addresses = Page(client.get("/docs").text).loaded + Page(client.get("/redoc").text).loaded
    address = next(address for address in addresses if f"/{name}?" in address)
    response = client.get(urljoin("/docs", address))
    unversioned = client.get(f"/docs/assets/{name}")
    again = client.get(f"/docs/assets/{name}", headers={"if-none-match": unversioned.headers["etag"]})

    assert (response.status_code, response.headers["content-type"]) == (200, FILES[name])
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert unversioned.headers["cache-control"] == "no-cache"
    assert (unversioned.content, again.status_code, again.content) == (response.content, 304, b"")


def test_large_files_are_packed_for_those_who_can_unpack_them(client: TestClient) -> None:
    plain = client.get("/docs/assets/swagger-ui-bundle.js", headers={"accept-encoding": "identity"})
    with client.stream("GET", "/docs/assets/swagger-ui-bundle.js", headers={"accept-encoding": "br, gzip"}) as packed:
        raw = b"".join(packed.iter_raw())

    assert "content-encoding" not in plain.headers
    assert (packed.headers["content-encoding"], packed.headers["vary"]) == ("gzip", "Accept-Encoding")
    assert len(raw) * 3 < len(plain.content)
    assert gzip.decompress(raw) == plain.content


@pytest.mark.parametrize(
    "path",
    [
        "/docs/assets/",
        "/docs/assets/missing.js",
        "/docs/assets/index.html",
        "/docs/assets/oauth2-redirect.html",
        "/docs/assets/..%2Fswagger-ui.css",
        "/docs/assets/%2Fetc%2Fpasswd",
        "/docs/assets/../../../setup.cfg",
        "/docs/oauth2-redirect",
        "/redoc/x",
    ],
)
def test_other_files_are_not_there(client: TestClient, path: str) -> None:
    response = client.get(path)

    assert (response.status_code, response.json()) == (404, {"detail": "Not Found"})


@pytest.mark.parametrize("path", [*PAGES, "/docs/assets/swagger.js"])
def test_pages_answer_head_and_refuse_other_methods(client: TestClient, path: str) -> None:
    get, head, post = client.get(path), client.head(path), client.post(path)

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]
    assert (post.status_code, post.json()) == (405, {"detail": "Method Not Allowed"})


def test_pipeline_may_be_called_docs(app: Hayhooks, client: TestClient) -> None:
    deploy(app, ECHO, name="docs")

    assert client.post("/docs/run", json={"text": "a"}).json() == {"result": "a"}
    assert client.get("/docs").status_code == 200


def test_swagger_ui_is_folded_when_there_are_many_pipelines(app: Hayhooks, client: TestClient) -> None:
    for number in range(100):
        app.deploy(f"p{number}", Silent())
    hundred = client.get("/docs").text
    app.deploy("one more", Silent())

    assert "data-folded" not in hundred
    assert "data-folded" in client.get("/docs").text


def test_server_that_shows_no_page_loads_no_templates() -> None:
    code = (
        "import sys; from hayhooks import Hayhooks; Hayhooks(); "
        "print([name for name in ('jinja2', 'markdown_it', 'swagger_ui_bundle') if name in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
