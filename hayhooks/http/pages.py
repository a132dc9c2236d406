"""`GET /docs` and `GET /redoc`: the reference, without any other host (contract 2.1)."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
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
    """Makes the pages, and keeps the last one until the document changes. Blocking; for any thread."""

    def __init__(self, app: Hayhooks) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._assets: Mapping[str, Content] | None = None
        self._rendered: tuple[dict[str, Any], str, str, Content] | None = None

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

        document, base, server = self._app.openapi(), _base(request), _server(request)
        kept = self._rendered
        if kept is None or kept[:3] != (document, base, server):
            html = render_reference(document, base=base, server=server, assets=self._addresses())
            kept = self._rendered = (document, base, server, _page(html))
        return _answer(request, kept[3])

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
