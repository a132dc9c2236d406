"""Where the server is, as HAYHOOKS_* variables and `.env` say it, read without loading the server's settings."""

from __future__ import annotations

import os
from collections.abc import Mapping

from hayhooks.environment import read_environment
from hayhooks.errors import SettingsError

_FLAGS = dict.fromkeys(("1", "true", "t", "yes", "y", "on"), True) | dict.fromkeys(
    ("0", "false", "f", "no", "n", "off"), False
)
# A server listens on these to be reached at every address of its machine; a client needs one of them.
_REACHED_AT = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def read_variables(env_file: str | os.PathLike[str] | None = None) -> dict[str, str]:
    """Read the environment over a `.env` file, as `read_environment()`.

    Names are in capitals; an empty value counts as not set.
    """
    return {name.upper(): value for name, value in read_environment(env_file).items() if value}


def read_flag(variables: Mapping[str, str], name: str) -> bool:
    """Read a yes or no; a variable that is not set means no."""
    value = variables.get(name, "false")
    if value.lower() not in _FLAGS:
        raise SettingsError(f"{name} cannot be {value!r}: use true or false.")
    return _FLAGS[value.lower()]


def server_url(
    variables: Mapping[str, str], *, host: str | None = None, port: int | None = None, https: bool | None = None
) -> str:
    """Build the server's URL from what is given and, for the rest, the variables."""
    if host is None and port is None and https is None and "HAYHOOKS_URL" in variables:
        return variables["HAYHOOKS_URL"]
    if https is None:
        https = read_flag(variables, "HAYHOOKS_USE_HTTPS")
    host = host or variables.get("HAYHOOKS_HOST", "localhost")
    host = _REACHED_AT.get(host, host)
    number = variables.get("HAYHOOKS_PORT", "1416") if port is None else str(port)
    if not number.isdecimal() or not 0 < int(number) < 65536:
        raise SettingsError(f"HAYHOOKS_PORT cannot be {number!r}: a port is a number from 1 to 65535.")
    authority = f"[{host}]" if ":" in host else host
    prefix = variables.get("HAYHOOKS_ROOT_PATH", "").strip("/")
    return f"http{'s' if https else ''}://{authority}:{int(number)}/{prefix}".rstrip("/")
