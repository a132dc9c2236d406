"""The guard around what a wrapper returned, which may fail as late as it is read."""

from __future__ import annotations

from types import TracebackType

from starlette.requests import ClientDisconnect

from hayhooks.pipelines.runner import Runner


class Guard:
    """A context in which a failure of any kind is a failed run, as `Runner.translate()` tells it.

    Also what would end the server, as `SystemExit`; a client that leaves is no failure. Holds no state of
    a use: one serves all requests. A class, because streams enter it for each batch of chunks.
    """

    __slots__ = ("_runner",)

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and not isinstance(error, ClientDisconnect):
            told = self._runner.translate(error)
            if told is not error:
                raise told from error
