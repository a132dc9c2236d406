"""The root of all errors, and those that belong to no request."""

from __future__ import annotations


class HayhooksError(Exception):
    """The root of all exceptions of Hayhooks. `str(error)` is the text that a client gets."""

    status_code = 500
    code = "internal_error"
    """OpenAI's `error.code`: a stable word that a program can compare."""


class SettingsError(HayhooksError):
    """A setting has a value that cannot be used; the text names the variable."""

    code = "invalid_settings"


def error_text(error: BaseException) -> str:
    """Return what an error of user code says, or the name of its class where it says nothing that can be sent."""
    try:
        text = str(error)
    except BaseException:
        text = ""
    return (text or type(error).__name__).encode("utf-8", "replace").decode()
