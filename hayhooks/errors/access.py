"""Who may do what."""

from __future__ import annotations

from hayhooks.errors.root import HayhooksError


class Unauthenticated(HayhooksError):
    """A key is asked for, and none that is valid was sent; `challenge` names the way to send one (RFC 9110, 11.6.1)."""

    status_code = 401
    code = "invalid_api_key"

    def __init__(self, text: str, *, challenge: str = "Bearer") -> None:
        super().__init__(text)
        self.headers = {"WWW-Authenticate": challenge}


class PermissionDenied(HayhooksError):
    """The caller is known, and may not do this."""

    status_code = 403
    code = "permission_denied"


class DeployClosed(PermissionDenied):
    """Nobody may deploy here without a key."""

    code = "deploy_closed"


class ForeignOrigin(PermissionDenied):
    """A page of another site sent the request."""

    code = "foreign_origin"


class ForeignHost(HayhooksError):
    """A server that listens on loopback, and has no keys, is called by a name that is not local."""

    status_code = 421
    code = "foreign_host"


class TooManyAttempts(HayhooksError):
    """Too many wrong keys came from this address; `seconds` is how long it has to wait."""

    status_code = 429
    code = "too_many_attempts"

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many wrong keys came from this address: wait {seconds} s")
        self.headers = {"Retry-After": str(seconds)}
