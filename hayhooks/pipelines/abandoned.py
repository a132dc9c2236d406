"""What a run that was ended leaves behind: the connections over which its providers still talk."""

from __future__ import annotations

import traceback
from collections.abc import Iterator


def close_connections(error: BaseException) -> None:
    """Close the streams of providers' clients that the code which `error` ended was reading.

    The clients of openai (3.54), anthropic and others close their response when their stream is
    closed or collected, but it is part of a reference cycle, and Haystack (3.4) closes it only on
    the event loop: a provider would go on, at our user's cost, until the garbage collector comes by.
    """
    for frame, _ in traceback.walk_tb(error.__traceback__):
        for value in list(frame.f_locals.values()):
            if isinstance(value, Iterator) and hasattr(value, "response") and hasattr(value, "close"):
                value.close()
