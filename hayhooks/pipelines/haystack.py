"""Haystack's own modules, which cost most of a start: only a pipeline that needs them loads them."""

from __future__ import annotations

import importlib
import pkgutil
import threading

from hayhooks.logger import log

# Process-wide, as `sys.modules` is.
_importing = threading.Lock()
# A start is busy enough, and so is a deploy that comes at once.
_DELAY_SECONDS = 1.0


def is_of_haystack(value: object, class_name: str) -> bool:
    """Tell whether a value is of one of Haystack's classes, without loading Haystack for the question.

    Looks at `__class__`, as `isinstance()` does: a stand-in in a test counts too.
    """
    bases = value.__class__.__mro__
    return any(base.__name__ == class_name and base.__module__.partition(".")[0] == "haystack" for base in bases)


def import_whole() -> None:
    """Import Haystack with all its packages; other threads that ask for it wait until all is there.

    The packages replace themselves by lazy importers while they are imported: two threads that do
    that at once can meet one half loaded. So whoever is about to import any of them calls this first.
    """
    with _importing:
        import haystack.components
        import haystack.dataclasses
        import haystack.tools

        for package in pkgutil.iter_modules(haystack.components.__path__, "haystack.components."):
            importlib.import_module(package.name)


class HaystackImport:
    """Loads Haystack in a thread of its own, so that the first deploy of an idle server need not."""

    def __init__(self) -> None:
        self._ending = threading.Event()
        # No daemon: the interpreter would end while the thread is amid an extension module's code, and crash.
        self._thread = threading.Thread(target=self._run, name="hayhooks-haystack", daemon=False)

    def start(self) -> None:
        """Begin to wait for a quiet moment."""
        self._thread.start()

    def stop(self) -> None:
        """Begin no more; the process waits for an import that is under way, as for all such threads."""
        self._ending.set()

    def _run(self) -> None:
        if self._ending.wait(_DELAY_SECONDS):
            return
        try:
            import_whole()
        except Exception as exc:
            # A deploy that needs it will say so.
            log.warning("Haystack cannot be imported: {}", exc)
