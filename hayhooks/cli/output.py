"""Where commands write: results to stdout and untouched, everything else to stderr."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import cycle
from threading import Event, Thread
from typing import Any

_BAR_WIDTH = 30


class Output:
    """The terminal or pipes of one command.

    `quiet` leaves results and errors. On a terminal, unless `color` is off or NO_COLOR
    is set, there are colours, a spinner and a progress bar.
    """

    def __init__(self, *, quiet: bool = False, color: bool = True) -> None:
        self._quiet = quiet
        self._is_live = color and not os.environ.get("NO_COLOR") and sys.stderr.isatty()
        # A character that the terminal cannot show must not end the command.
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")

    def result(self, value: Any) -> None:
        """Print text as it is, anything else as indented JSON."""
        text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
        self.stream([text])

    def stream(self, texts: Iterator[str] | list[str]) -> None:
        """Print text piece by piece, and a line end if the last piece has none."""
        last = "\n"
        try:
            for text in texts:
                sys.stdout.write(text)
                sys.stdout.flush()
                last = text or last
        finally:
            if not last.endswith("\n"):
                sys.stdout.write("\n")
                sys.stdout.flush()

    def data(self, chunks: Iterator[bytes]) -> None:
        """Write bytes as they are."""
        for chunk in chunks:
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()

    def success(self, text: str) -> None:
        self._say(text, "32")

    def warning(self, text: str) -> None:
        self._say(f"Warning: {text}", "33")

    def not_served(self, answer: Mapping[str, Any]) -> None:
        """Warn of the server's processes that do not serve what was changed."""
        for worker, reason in answer.get("not_served_by", {}).items():
            self.warning(f"not served by {worker}: {reason}")

    def _say(self, text: str, color: str) -> None:
        if not self._quiet:
            print(self._colored(text, color), file=sys.stderr)

    def error(self, text: str) -> None:
        first, newline, rest = text.partition("\n")
        print(self._colored(f"Error: {first}", "31") + newline + rest, file=sys.stderr)

    def _colored(self, text: str, color: str) -> str:
        return f"\x1b[{color}m{text}\x1b[0m" if self._is_live else text

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Show a spinner during the block."""
        if not self._is_live or self._quiet:
            yield
            return
        done = Event()
        spinner = Thread(target=_spin, args=(text, done))
        spinner.start()
        try:
            yield
        finally:
            done.set()
            spinner.join()

    @contextmanager
    def uploading(self, text: str) -> Iterator[Callable[[int, int], None] | None]:
        """Show a progress bar during the block, which gets a function to tell of (bytes sent, bytes in all)."""
        if not self._is_live or self._quiet:
            yield None
            return
        try:
            yield lambda sent, size: _replace_line(f"{text} {_bar(sent, size)}")
        finally:
            _replace_line("")


def table(rows: Iterable[tuple[str, ...]]) -> str:
    """Align columns; one without values below its heading is left out."""
    columns = [column for column in zip(*rows, strict=True) if any(column[1:])]
    padded = [[cell.ljust(max(map(len, column))) for cell in column] for column in columns]
    return "\n".join("  ".join(cells).rstrip() for cells in zip(*padded, strict=True))


def _spin(text: str, done: Event) -> None:
    for frame in cycle("|/-\\"):
        _replace_line(f"{frame} {text}")
        if done.wait(0.1):
            break
    _replace_line("")


def _bar(sent: int, size: int) -> str:
    filled = _BAR_WIDTH * sent // size
    megabytes = f"{sent / 1e6:.1f}/{size / 1e6:.1f} MB"
    return f"[{'#' * filled}{'.' * (_BAR_WIDTH - filled)}] {100 * sent // size} % {megabytes}"


def _replace_line(text: str) -> None:
    sys.stderr.write(f"\r\x1b[K{text}")
    sys.stderr.flush()
