"""API keys: a name, scopes, and the digest of a secret, which itself is kept nowhere.

The secrets that are made here are 256 random bits, so that one round of SHA-256 is enough: there is nothing to guess,
and the check costs a microsecond. Secrets of people's own choice come from the environment alone, where they stand in
the clear anyway.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from hayhooks.security.scopes import USUAL_SCOPES, Caller, check_scopes

_NAME = re.compile(r"[A-Za-z0-9][\w.@-]{0,63}", re.ASCII)
# What every client can send in a header.
_SECRET = re.compile(r"[\x21-\x7e]{16,}")
_SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_MEMBERS = {"name", "secret", "scopes"}


@dataclass(frozen=True)
class Key:
    """What is known of an API key."""

    name: str
    digest: str
    """The SHA-256 of the secret, in hexadecimal digits."""
    scopes: tuple[str, ...] = USUAL_SCOPES
    created: float = 0.0
    expires: float | None = None
    """When it ends, in seconds since 1970."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"A key cannot be named {self.name!r}: use up to 64 letters, digits and ._@-")
        check_scopes(self.scopes)

    @cached_property
    def caller(self) -> Caller:
        """Who sends this key."""
        return Caller(self.name, self.scopes)

    @property
    def has_expired(self) -> bool:
        """Whether its time is over."""
        return self.expires is not None and self.expires <= time.time()


def new_secret() -> str:
    """Return the secret of a new key: 256 random bits."""
    return f"hh_{secrets.token_urlsafe(32)}"


def digest_of(secret: str) -> str:
    """Return what is kept of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def parse_keys(text: str) -> list[Key]:
    """Read `name=secret;scope;scope,…`, or a JSON list of `{"name", "secret", "scopes"}`.

    Raises `ValueError`, which never tells a secret.
    """
    items = _json_items(text) if text.lstrip().startswith("[") else _text_items(text)
    keys = [_key(number, item) for number, item in enumerate(items, start=1)]
    for known, what in (({key.name for key in keys}, "name"), ({key.digest for key in keys}, "secret")):
        if len(known) < len(keys):
            raise ValueError(f"two keys have the same {what}")
    return keys


def parse_expiry(text: str) -> float:
    """Read when a key ends: `90d`, `12h`, `30m`, `2w` from now, or a date as `2030-01-31`. Raises `ValueError`."""
    if found := re.fullmatch(r"(\d{1,5})([mhdw])", text):
        return time.time() + int(found[1]) * _SECONDS[found[2]]
    try:
        ends = datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(f"A key cannot end at {text!r}: use 90d, 12h or a date as 2030-01-31") from None
    if ends <= time.time():
        raise ValueError(f"A key cannot end at {text!r}, which is over")
    return ends


def _text_items(text: str) -> Iterable[Mapping[str, Any]]:
    for number, entry in enumerate((part.strip() for part in text.split(",") if part.strip()), start=1):
        name, equals, rest = entry.partition("=")
        if not equals:
            raise ValueError(f"key {number} has no name: write name=secret, or name=secret;scope;scope")
        secret, *scopes = (part.strip() for part in rest.split(";"))
        yield {"name": name.strip(), "secret": secret, **({"scopes": scopes} if scopes else {})}


def _json_items(text: str) -> Iterable[Mapping[str, Any]]:
    try:
        items = json.loads(text)
    except ValueError as exc:
        raise ValueError(f"the JSON cannot be read: {type(exc).__name__}") from None
    for number, item in enumerate(items, start=1):
        if not isinstance(item, dict) or not {"name", "secret"} <= item.keys() <= _MEMBERS:
            raise ValueError(f"key {number} must be an object with name, secret and, if wanted, scopes")
        yield item


def _key(number: int, item: Mapping[str, Any]) -> Key:
    name, secret, scopes = item["name"], item["secret"], item.get("scopes", USUAL_SCOPES)
    if not isinstance(secret, str) or not _SECRET.fullmatch(secret):
        raise ValueError(f"the secret of key {number} must have 16 characters or more, none of them a space")
    if not isinstance(name, str) or isinstance(scopes, str) or not all(isinstance(scope, str) for scope in scopes):
        raise ValueError(f"key {number} must have a text as name and a list of texts as scopes")
    return Key(name, digest_of(secret), tuple(scopes))
