"""Tells requests of this machine from those of other machines, and of pages that a browser here has opened.

A browser sends what any page tells it to, also to a server on loopback. It names the page's site in `Origin` and
`Sec-Fetch-Site`, which a page cannot change, so a drive-by request can be told. A page whose name an attacker has made
lead to this machine (DNS rebinding) is of the same origin as the server; it can be told by its name, in `Host`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from ipaddress import IPv6Address, ip_address
from typing import Any
from urllib.parse import urlsplit

from hayhooks.errors import DeployClosed, ForeignHost, ForeignOrigin
from hayhooks.settings import Settings

_HOST = re.compile(r"(?:\[(?P<address>[\da-f:.]+)\]|(?P<name>[^:\[\]/@\s]+))(?P<port>:\d*)?", re.IGNORECASE)
_MOST_KEPT = 100
# Programs in containers reach the loopback of their host by these; no page can have them as its name.
_CONTAINER_NAMES = ("host.docker.internal", "host.containers.internal")

HOW_TO_OPEN = (
    "Make a key for that (`hayhooks keys add NAME --scope deploy`, or HAYHOOKS_API_KEYS), "
    "or set HAYHOOKS_DEPLOY=on to let everybody deploy who reaches the server."
)


class Locality:
    """What a server without keys refuses, by where a request comes from."""

    def __init__(self, settings: Settings) -> None:
        self.bound_to: str | None = None
        """The address that we listen on, as `bind()` was told; None where somebody else listens for us."""
        self.is_exposed = False
        """Whether other machines may reach that address."""
        self._settings = settings
        # The values of `Host` that were good: clients send few.
        self._good_hosts: set[bytes] = set()

    def bind(self, host: str) -> None:
        """Note the address that we are going to listen on."""
        self.bound_to = host
        self.is_exposed = not is_loopback(host)

    def check_host(self, scope: Mapping[str, Any]) -> None:
        """Raise `ForeignHost` if the server listens on loopback, and is called by a name that is not local."""
        if self.bound_to is None or self.is_exposed:
            return
        sent = header(scope, b"host")
        if sent is None or sent in self._good_hosts:
            return
        name = host_name(sent.decode("latin-1"))
        allowed = (*_CONTAINER_NAMES, *self._settings.allowed_hosts)
        if not (self._is_local(name, scope) or any(fnmatchcase(name, pattern.lower()) for pattern in allowed)):
            raise ForeignHost(
                f"This server answers to local names only, not to {name!r}. To serve it under that name, as behind a "
                f"proxy, set HAYHOOKS_ALLOWED_HOSTS={name or 'NAME'}, or set up keys (`hayhooks keys add NAME`)."
            )
        if len(self._good_hosts) < _MOST_KEPT:
            self._good_hosts.add(sent)

    def check_admin(self, scope: Mapping[str, Any]) -> None:
        """Raise unless a request without a key may change what is served: `DeployClosed`, or as `check_origin()`.

        It may if it comes over loopback, is meant for a local name, and not from a page of another site.
        """
        if self._settings.deploy != "on":
            if self.is_exposed:
                raise DeployClosed(f"Without keys nobody can deploy on {self.bound_to}. {HOW_TO_OPEN}")
            if not all(_is_near(scope.get(end)) for end in ("server", "client")):
                raise DeployClosed(f"Without keys nobody can deploy from another machine. {HOW_TO_OPEN}")
            sent = header(scope, b"host")
            name = host_name(sent.decode("latin-1")) if sent is not None else None
            if name is not None and not self._is_local(name, scope):
                raise DeployClosed(f"Without keys nobody can deploy under the name {name!r}. {HOW_TO_OPEN}")
        self.check_origin(scope)

    def check_origin(self, scope: Mapping[str, Any]) -> None:
        """Raise `ForeignOrigin` for what a page of another site has sent, but for those that CORS names."""
        site = header(scope, b"sec-fetch-site")
        origin = header(scope, b"origin")
        if site in (b"same-origin", b"none") or (site is None and origin is None):
            return
        sent = "" if origin is None else origin.decode("latin-1")
        if site is None and _authority(sent) == (header(scope, b"host") or b"").decode("latin-1").lower():
            return
        if not self._is_named(sent):
            raise ForeignOrigin(
                f"A page of {repr(sent) if sent else 'another site'} may not do this. "
                "If it is yours, name its origin in HAYHOOKS_CORS_ALLOW_ORIGINS."
            )

    def _is_local(self, name: str, scope: Mapping[str, Any]) -> bool:
        """Tell whether a name leads here and nowhere else: one of loopback, or that which we listen on."""
        server = scope.get("server")
        return is_loopback(name) or name == self.bound_to or (server is not None and name == server[0])

    def _is_named(self, origin: str) -> bool:
        """Tell whether CORS names an origin; to allow all is not to name one."""
        pattern = self._settings.cors_allow_origin_regex
        return origin in self._settings.cors_allow_origins or (
            pattern is not None and re.fullmatch(pattern, origin) is not None
        )


def header(scope: Mapping[str, Any], name: bytes) -> bytes | None:
    """Return a header of a request, the first of its name."""
    for found, value in scope["headers"]:
        if found == name:
            sent: bytes = value
            return sent
    return None


def host_name(host: str) -> str:
    """Return the name or address in a `Host`, in small letters and without the port; empty if it is none."""
    found = _HOST.fullmatch(host)
    return (found["address"] or found["name"]).lower().rstrip(".") if found else ""


def is_loopback(host: str) -> bool:
    """Tell whether a name or an address is always this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def _is_near(end: Collection[Any] | None) -> bool:
    """Tell whether an end of a connection is on this machine; what is no address is a socket file, or a test."""
    host = str(next(iter(end or ()), ""))
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return True
    return is_loopback(host)


def _authority(origin: str) -> str:
    """Return host and port of an origin, as `Host` has them."""
    try:
        parts = urlsplit(origin)
        return parts.netloc.lower() if parts.scheme in ("http", "https") else ""
    except ValueError:
        return ""
