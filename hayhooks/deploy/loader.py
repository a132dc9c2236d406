"""Imports the wrapper of a pipeline from its directory."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import re
import sys
import threading
import traceback
from pathlib import Path
from types import ModuleType

from hayhooks.deploy import finder
from hayhooks.deploy.sources import WRAPPER_FILE
from hayhooks.errors import PipelineModuleLoadError, error_text
from hayhooks.wrapper import BasePipelineWrapper

# Process-wide, as `sys.modules` is.
_numbers = itertools.count(1)
_aliases = threading.Lock()


class LoadedModule:
    """The package of one version of a pipeline, until `unload()`."""

    def __init__(self, name: str, directory: Path) -> None:
        finder.install()
        self.name = name
        self.directory = directory
        safe_name = re.sub(r"\W", "_", name)
        self.package = f"{finder.ROOT}.{safe_name}_{next(_numbers)}"
        self._hidden: dict[str, ModuleType] = {}

    def load(self, *, show_tracebacks: bool = False) -> type[BasePipelineWrapper]:
        """Import `pipeline_wrapper.py` and return its class `PipelineWrapper`.

        Raises `PipelineModuleLoadError`, and leaves `sys.modules` as it was.
        """
        try:
            if not (self.directory / WRAPPER_FILE).is_file():
                raise PipelineModuleLoadError(self._message(f"Required file '{WRAPPER_FILE}' not found"))
            self._import_package()
            module = importlib.import_module(f"{self.package}.pipeline_wrapper")
            return self._wrapper_class(module)
        except PipelineModuleLoadError:
            self.abandon()
            raise
        except BaseException as exc:
            # Also what ends a program elsewhere; this is no thread that a real Ctrl-C reaches.
            self.abandon()
            trace = f"\n{traceback.format_exc()}" if show_tracebacks else ""
            raise PipelineModuleLoadError(self._message(_explain(exc, self.directory)) + trace) from exc

    def unload(self) -> None:
        """Forget the modules; code that still runs keeps its own references."""
        with _aliases:
            self._forget()

    def keep(self) -> None:
        """Say that this version is the one that counts: `abandon()` has nothing to give back any more."""
        self._hidden.clear()

    def abandon(self) -> None:
        """Undo `load()`: forget the modules and give the short name back to the version before."""
        with _aliases:
            # One that was too slow may end after a newer one has taken the short name.
            if self._forget():
                sys.modules.update(self._hidden)

    def _forget(self) -> bool:
        """Remove the modules from `sys.modules`; tell whether the short name was among them."""
        for module in _tree(self.package):
            del sys.modules[module]
        if getattr(sys.modules.get(self.name), "__name__", None) != self.package:
            return False
        for module in _tree(self.name):
            del sys.modules[module]
        return True

    def _import_package(self) -> None:
        initial = self.directory / "__init__.py"
        loader = finder.UncachedLoader(self.package, str(initial)) if initial.is_file() else None
        spec = importlib.util.spec_from_loader(self.package, loader, is_package=True)
        assert spec is not None
        spec.submodule_search_locations = [str(self.directory)]
        package = importlib.util.module_from_spec(spec)
        sys.modules[self.package] = package
        with _aliases:
            if _is_free(self.name):
                self._hidden = {module: sys.modules.pop(module) for module in _tree(self.name)}
                sys.modules[self.name] = package
                setattr(package, finder.SHORT_NAME, self.name)
        if loader is not None:
            loader.exec_module(package)

    def _wrapper_class(self, module: ModuleType) -> type[BasePipelineWrapper]:
        wrapper = getattr(module, "PipelineWrapper", None)
        if wrapper is None:
            raise PipelineModuleLoadError(self._message(f"'{WRAPPER_FILE}' defines no class 'PipelineWrapper'"))
        if not (isinstance(wrapper, type) and issubclass(wrapper, BasePipelineWrapper)):
            raise PipelineModuleLoadError(
                self._message("'PipelineWrapper' must be a subclass of hayhooks.BasePipelineWrapper")
            )
        return wrapper

    def _message(self, text: str) -> str:
        # Users know their pipeline by its own name only.
        return f"Failed to load pipeline module '{self.name}' - {text.replace(self.package, self.name)}"


def _tree(name: str) -> list[str]:
    if name not in sys.modules:
        return []
    prefix = f"{name}."
    return [name, *(module for module in list(sys.modules) if module.startswith(prefix))]


def _is_free(name: str) -> bool:
    """Tell whether a short name hides no module: only then `from <name>.helper import x` works."""
    present = sys.modules.get(name)
    if present is not None:
        return present.__name__.startswith(f"{finder.ROOT}.")
    if not name.isidentifier():
        return False
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return False
    # A plain directory on the path counts as a namespace package; it is no module that anybody means.
    return spec is None or spec.loader is None or spec.origin is None


def _explain(error: BaseException, directory: Path) -> str:
    text = error_text(error)
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return text if isinstance(error, ImportError | SyntaxError) else f"{type(error).__name__}: {text}"
    missing = error.name.partition(".")[0]
    if missing == "fastapi":
        return (
            f"{text}. UploadFile, HTTPException, Request, Response, FileResponse, JSONResponse and StreamingResponse "
            "can be imported from hayhooks; or install fastapi"
        )
    if (directory / f"{missing}.py").is_file() or (directory / missing).is_dir():
        return f"{text}. A module beside the wrapper is imported with a dot: from .{missing} import ..."
    return text
