"""The variables that settings are read from: those of the environment over those of a `.env` file."""

from __future__ import annotations

import os
from pathlib import Path

from hayhooks.errors import SettingsError


def read_environment(env_file: str | os.PathLike[str] | None = None) -> dict[str, str]:
    """Return the variables of the environment, over those of `env_file`, else of the nearest `.env`.

    The nearest is the one at or above the working directory. Raises `SettingsError` for a
    file that is not there or cannot be read.
    """
    file = Path(env_file) if env_file else _nearest_env_file()
    if file is None:
        return dict(os.environ)
    # Takes 45 ms, which most calls of the command line need not pay.
    from dotenv import dotenv_values

    try:
        # An empty path would send `dotenv_values` on a search of its own.
        with file.open(encoding="utf-8") as stream:
            found = dotenv_values(stream=stream)
    except FileNotFoundError:
        raise SettingsError(f"The settings file {str(file)!r} does not exist.") from None
    except (OSError, UnicodeDecodeError) as exc:
        raise SettingsError(f"The settings file {str(file)!r} cannot be read: {_reason(exc)}.") from None
    return {name: value for name, value in found.items() if value is not None} | dict(os.environ)


def _nearest_env_file() -> Path | None:
    folder = Path.cwd()
    return next((file for place in (folder, *folder.parents) if (file := place / ".env").is_file()), None)


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else (error.strerror or str(error))
