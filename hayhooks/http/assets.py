"""The scripts and stylesheets of the pages, kept by browsers for as long as they do not change."""

from __future__ import annotations

import gzip
import hashlib
import importlib.resources
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources.abc import Traversable

from starlette.datastructures import Headers
from starlette.responses import Response

_OURS = {"reference.css": "text/css", "swagger.css": "text/css", "swagger.js": "text/javascript"}
_SWAGGER_UI = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
# RFC 8246: a browser does not even ask whether it has changed.
_FOREVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"


@dataclass(frozen=True)
class Content:
    """Something to send: plain, or smaller to clients that take gzip."""

    plain: bytes
    media_type: str

    @cached_property
    def version(self) -> str:
        """A text that changes with the content."""
        return hashlib.sha256(self.plain).hexdigest()[:16]

    @cached_property
    def packed(self) -> bytes:
        """The content in gzip."""
        return gzip.compress(self.plain, 6)

    def answer(self, request_headers: Headers, *, version: str | None = None, **headers: str) -> Response:
        """Return the content, or 304 when the client has it (RFC 9110, 13.1.2); the first time, this packs it.

        One that asks for this `version` may keep it for ever, any other one has to ask again.
        """
        sent = {
            "Cache-Control": _FOREVER if version == self.version else ASK_AGAIN,
            # Weak, for it names the packed form as well.
            "ETag": f'W/"{self.version}"',
            "Vary": "Accept-Encoding",
            "X-Content-Type-Options": "nosniff",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        if self._is_known(request_headers):
            return Response(status_code=304, headers=sent)
        takes_packed = "gzip" in request_headers.get("accept-encoding", "")
        if takes_packed and len(self.packed) < len(self.plain):
            return Response(self.packed, media_type=self.media_type, headers={**sent, "Content-Encoding": "gzip"})
        return Response(self.plain, media_type=self.media_type, headers=sent)

    def _is_known(self, headers: Headers) -> bool:
        tags = {tag.strip().removeprefix("W/") for tag in headers.get("if-none-match", "").split(",")}
        return f'"{self.version}"' in tags or "*" in tags


def load_assets() -> Mapping[str, Content]:
    """Read the files of the pages, ours and those of Swagger UI; blocking."""
    # Only for a page: most servers are never asked for one.
    from swagger_ui_bundle import swagger_ui_path

    ours = importlib.resources.files("hayhooks.reference") / "static"
    return {
        **{name: _load(ours / name, kind) for name, kind in _OURS.items()},
        **{name: _load(swagger_ui_path / name, kind) for name, kind in _SWAGGER_UI.items()},
    }


def _load(file: Traversable, media_type: str) -> Content:
    return Content(file.read_bytes(), media_type)
