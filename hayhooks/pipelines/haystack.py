"""Haystack's own modules."""

from __future__ import annotations

import importlib
import pkgutil


def import_components() -> None:
    """Import Haystack's packages before any thread pool.

    They replace themselves by lazy importers while they are imported; two threads that do
    that at once can meet one half loaded.
    """
    import haystack.components
    import haystack.dataclasses
    import haystack.tools

    for package in pkgutil.iter_modules(haystack.components.__path__, "haystack.components."):
        importlib.import_module(package.name)
