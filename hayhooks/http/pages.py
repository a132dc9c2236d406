"""`GET /docs` and `GET /redoc`: the reference, without any other host (contract 2.1)."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hayhooks.http.assets import Content, load_assets
from hayhooks.settings import APP_TITLE

if TYPE_CHECKING:
    from hayhooks.app import Hayhooks

_ASSETS = "docs/assets"
# Swagger UI takes about 20 ms to show an operation.
_MOST_UNFOLDED = 100
# A page of 500 pipelines has a few megabytes.
_MOST_KEPT = 4
_HOST = re.compile(r"(\[[\da-fA-F:.]+\]|[\w.-]+)(:\d+)?")
# Everything from here. Swagger UI's stylesheet holds its pictures, and it shows files that a request answers.
_POLICY = "; ".join(
    [
        "default-src 'self'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    ]
)


def page_routes(app: Hayhooks) -> list[Route]:
    """Return the routes of the pages and of their files."""
    pages = Pages(app)

    async def swagger(request: Request) -> Response:
        response: Response = await app.threads.run(pages.swagger, request=request)
        return response

    async def reference(request: Request) -> Response:
        response: Response = await app.threads.run(pages.reference, request=request)
        return response

    async def asset(request: Request) -> Response:
        response: Response = await app.threads.run(pages.asset, request=request)
        return response

    # With and without a slash at the end, instead of a redirect: behind a proxy that strips a
    # prefix nobody here may know what the address would be.
    return [
        Route(f"/{_ASSETS}/{{name}}", asset, methods=["GET"], name="docs_asset"),
        *(Route(path, swagger, methods=["GET"], name="docs") for path in ("/docs", "/docs/")),
        *(Route(path, reference, methods=["GET"], name="redoc") for path in ("/redoc", "/redoc/")),
    ]


class Pages:
    """Makes the pages, and keeps the last ones until the document changes. Blocking; for any thread."""

    def __init__(self, app: Hayhooks) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._assets: Mapping[str, Content] | None = None
        self._document = b""
        # By the way to the root and its URL: a server has several names, and every client chooses what it sends.
        self._pages: dict[tuple[str, str], Content] = {}

    def assets(self) -> Mapping[str, Content]:
        """Return the files by name; read when they are first asked for."""
        with self._lock:
            if self._assets is None:
                self._assets = load_assets()
            return self._assets

    def asset(self, request: Request) -> Response:
        """Return the file that the path names. Raises `HTTPException`."""
        asset = self.assets().get(request.path_params["name"])
        if asset is None:
            raise HTTPException(404)
        return asset.answer(request.headers, version=request.query_params.get("v"))

    def swagger(self, request: Request) -> Response:
        """Return the page of Swagger UI, which loads the document that lies beside it."""
        # Jinja2 only for a page: it would slow down each start.
        from hayhooks.reference.page import render_swagger

        folded = len(self._app.deployments) > _MOST_UNFOLDED
        html = render_swagger(APP_TITLE, base=_base(request), assets=self._addresses(), folded=folded)
        return _answer(request, _page(html))

    def reference(self, request: Request) -> Response:
        """Return the page to read."""
        from hayhooks.reference.page import render_reference  # as above

        encoded, base, server = (
            self._app.api_document.encode(self._app.settings.root_path),
            _base(request),
            _server(request),
        )
        page = self._kept(encoded, base, server)
        if page is None:
            html = render_reference(json.loads(encoded), base=base, server=server, assets=self._addresses())
            page = _page(html)
            self._keep(encoded, base, server, page)
        return _answer(request, page)

    def _kept(self, document: bytes, base: str, server: str) -> Content | None:
        with self._lock:
            return self._pages.get((base, server)) if self._document == document else None

    def _keep(self, document: bytes, base: str, server: str, page: Content) -> None:
        """Keep a page, and forget those of another document and the oldest ones."""
        with self._lock:
            if self._document != document:
                self._document = document
                self._pages.clear()
            self._pages[base, server] = page
            while len(self._pages) > _MOST_KEPT:
                del self._pages[next(iter(self._pages))]

    def _addresses(self) -> dict[str, str]:
        return {name: f"{_ASSETS}/{name}?v={asset.version}" for name, asset in self.assets().items()}


def _base(request: Request) -> str:
    """Return the way from the page to the root of the application, right whatever prefix the browser sees."""
    return ".." if request.scope["path"].endswith("/") else "."


def _server(request: Request) -> str:
    """Return the URL of the root of the application as this client knows it."""
    host = request.headers.get("host", "")
    root = quote(request.scope.get("root_path", "").rstrip("/"))
    return f"{request.scope['scheme']}://{host if _HOST.fullmatch(host) else 'localhost'}{root}"


def _page(html: str) -> Content:
    # Half a UTF-16 pair in a text of the user's has no form on the wire.
    return Content(html.encode("utf-8", "replace"), "text/html")


def _answer(request: Request, page: Content) -> Response:
    return page.answer(request.headers, Content_Security_Policy=_POLICY, Referrer_Policy="same-origin")
