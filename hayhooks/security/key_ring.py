"""The keys that a server takes: those of the settings and those of the key file, as it is now."""

from __future__ import annotations

import hmac
import time
from collections.abc import Iterable
from os import PathLike

from hayhooks.errors import SettingsError
from hayhooks.logger import log
from hayhooks.logs.audit import audit_finding
from hayhooks.security.key_file import KeyFile, Stamp, find_key_file
from hayhooks.security.keys import Key, digest_of, parse_keys
from hayhooks.security.scopes import Need
from hayhooks.settings import Settings

_LOOK_EVERY = 0.5  # seconds


class KeyRing:
    """Finds the key of a secret, and sees changes of the key file within a second.

    Never opens by accident: a file that cannot be read any more, or is gone, changes nothing until the next start,
    and one without keys lets nobody in. Raises `SettingsError` for a file that cannot be read at the start.
    """

    def __init__(self, settings: Settings, pipelines_dir: str | PathLike[str] | None) -> None:
        file = find_key_file(settings, pipelines_dir)
        self._fixed = parse_keys(settings.api_keys.get_secret_value()) if settings.api_keys is not None else []
        self._file = file
        self._looked = time.monotonic()
        self._stamp: Stamp | None = None
        self._by_digest: dict[str, Key] = {}
        stamp = file.stamp() if file is not None else None
        self._has_file = stamp is not None
        self._take(file.read() if file is not None else [], stamp=stamp)

    @property
    def is_in_use(self) -> bool:
        """Whether a key is asked for at all."""
        if self._file is not None and time.monotonic() - self._looked >= _LOOK_EVERY:
            self._look(self._file)
        return self._has_file or bool(self._fixed)

    @property
    def may_deploy(self) -> bool:
        """Whether any key may deploy."""
        return any(key.caller.may(Need.DEPLOY) and not key.has_expired for key in self._by_digest.values())

    def find(self, secret: str) -> Key | None:
        """Return the key of a secret, None if it is unknown or has expired.

        The time that takes tells nothing of the secrets: only digests are compared.
        """
        digest = digest_of(secret)
        if digest not in self._by_digest and self._file is not None:
            # It may have been added just now.
            self._look(self._file)
        key = self._by_digest.get(digest)
        if key is None or not hmac.compare_digest(key.digest, digest) or key.has_expired:
            return None
        return key

    def _look(self, file: KeyFile) -> None:
        """Read the file again if it has changed."""
        self._looked = time.monotonic()
        try:
            stamp = file.stamp()
            if stamp == self._stamp:
                return
            if stamp is None:
                log.warning("The key file {} is gone: its keys stay until the next start", file.path)
                self._stamp = None
                return
            before = set(self._by_digest.values())
            self._take(file.read(), stamp=stamp)
        except SettingsError as exc:
            # Tried again with each look, but told once.
            if self._has_file is False or self._stamp is not None:
                log.error("{} The keys stay as they were.", exc)
            self._has_file, self._stamp = True, None
            return
        self._has_file = True
        _audit(before, set(self._by_digest.values()))

    def _take(self, keys: Iterable[Key], *, stamp: Stamp | None) -> None:
        self._by_digest = {key.digest: key for key in (*keys, *self._fixed)}
        self._stamp = stamp


def _audit(before: set[Key], now: set[Key]) -> None:
    for action, keys in (("revoke key", before - now), ("add key", now - before)):
        for name in sorted(key.name for key in keys):
            audit_finding(action, name)
