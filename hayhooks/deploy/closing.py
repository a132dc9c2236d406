"""How wrappers end: their own `teardown()`, then their pipeline, which has a `close_async()` and a `close()`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from hayhooks.logger import log
from hayhooks.wrapper import BasePipelineWrapper


class Closer:
    """Ends wrappers, and waits for each no longer than `timeout` seconds: what hangs is left to itself."""

    def __init__(self, *, timeout: float) -> None:
        self.timeout = timeout
        self.loop: asyncio.AbstractEventLoop | None = None
        """The loop that serves, where async clients of pipelines live."""

    def close(self, name: str, wrapper: BasePipelineWrapper) -> None:
        """Call `teardown()`, then close the pipeline; blocking. What fails is logged."""
        thread = threading.Thread(target=self._close, args=(name, wrapper), name="hayhooks-close", daemon=True)
        thread.start()
        if _running_loop() is not None:
            # Whoever calls this on the loop would wait for something that needs the loop.
            return
        thread.join(self.timeout)
        if thread.is_alive():
            log.warning("Pipeline '{}' has not ended within {:g} s: it is left to itself", name, self.timeout)

    def _close(self, name: str, wrapper: BasePipelineWrapper) -> None:
        _logged(name, "teardown", lambda: _called(wrapper, "teardown"))
        # Each of the two closes only its own side.
        _logged(name, "close_async", lambda: self._awaited(_called(wrapper.pipeline, "close_async")))
        _logged(name, "close", lambda: _called(wrapper.pipeline, "close"))

    def _awaited(self, result: Any) -> None:
        if not asyncio.iscoroutine(result):
            return
        if self.loop is not None and self.loop.is_running():
            asyncio.run_coroutine_threadsafe(result, self.loop).result(self.timeout)
        else:
            asyncio.run(result)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _called(owner: Any, method: str) -> Any:
    found = getattr(owner, method, None)
    return found() if callable(found) else None


def _logged(name: str, method: str, call: Callable[[], Any]) -> None:
    try:
        call()
    except BaseException as exc:
        log.opt(exception=exc).warning("{}() of pipeline '{}' failed: {}", method, name, type(exc).__name__)
