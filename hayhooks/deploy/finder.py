"""How the modules of pipelines are found: below one private package, always from their source.

A pipeline's directory is the package `hayhooks_pipelines.<name>_<n>`, so that its name can
hide no other module and a redeploy shares nothing with the version before. Byte code is
neither read nor written: Python compares it with the source by second and size, which would
bring back the old code after a quick edit, and it would write into users' directories.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    SourceFileLoader,
)
from types import CodeType, ModuleType

from hayhooks.pipelines.haystack import import_whole

ROOT = "hayhooks_pipelines"
SHORT_NAME = "__hayhooks_name__"
"""The attribute of a pipeline's package with the short name that its code may import it by, if it may."""
# Also `haystack_integrations`, at any place of a line.
_HAYSTACK = re.compile(rb"\b(?:from|import)\s.*\bhaystack")


class UncachedLoader(SourceFileLoader):
    """Compiles a module from its source each time, so that it imports modules of its own version alone."""

    def get_code(self, fullname: str) -> CodeType:
        """Return the code of the module."""
        path = self.get_filename(fullname)
        source = self.get_data(path)
        if _HAYSTACK.search(source):
            # Pipelines are loaded in several threads, and the code may import any part of it.
            import_whole()
        package = sys.modules.get(".".join(fullname.split(".")[:2]))
        name: str | None = getattr(package, SHORT_NAME, None)
        if package is None or name is None or name.encode() not in source:
            return self.source_to_code(source, path)
        tree = _OwnImports(name, package.__name__).visit(ast.parse(source, path))
        return self.source_to_code(tree, path)


class _OwnImports(ast.NodeTransformer):
    """Lets imports by the short name of a pipeline, at whatever time they are done, lead to one version of it.

    In `sys.modules` the short name is that of the version which was loaded last.
    """

    def __init__(self, name: str, package: str) -> None:
        self._name = name
        self._package = package

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.stmt:
        if node.level or not self._is_own(node.module or ""):
            return node
        module = self._private(node.module or "")
        return ast.copy_location(ast.ImportFrom(module, node.names, 0), node)

    def visit_Import(self, node: ast.Import) -> list[ast.stmt]:
        names = [bound for alias in node.names for bound in self._bound(alias)]
        return [ast.copy_location(ast.Import([alias]), node) for alias in names]

    def _bound(self, alias: ast.alias) -> list[ast.alias]:
        """Return what is imported, each under the name that it would have."""
        if not self._is_own(alias.name):
            return [alias]
        private = ast.copy_location(ast.alias(self._private(alias.name), alias.asname or self._name), alias)
        if alias.asname or alias.name == self._name:
            return [private]
        # `import qa.helper` imports the helper, and binds the package.
        return [private, ast.copy_location(ast.alias(self._package, self._name), alias)]

    def _is_own(self, module: str) -> bool:
        return module == self._name or module.startswith(f"{self._name}.")

    def _private(self, module: str) -> str:
        return self._package + module[len(self._name) :]


class PipelineFinder(MetaPathFinder):
    """Finds the modules below `hayhooks_pipelines`, and those of aliased pipelines by their short names."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a module of a pipeline, None for all others."""
        if path is None:
            return None
        if fullname.startswith(f"{ROOT}."):
            return _find_in(fullname, path)
        parent, _, _ = fullname.rpartition(".")
        package = sys.modules.get(parent)
        if package is None or not package.__name__.startswith(f"{ROOT}."):
            return None
        real_name = package.__name__ + fullname[len(parent) :]
        return ModuleSpec(fullname, _AliasLoader(real_name)) if importlib.util.find_spec(real_name) else None


class _AliasLoader(Loader):
    """Gives a module that exists under its private name another name."""

    def __init__(self, real_name: str) -> None:
        self._real_name = real_name
        self._spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self._real_name)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has just put the alias's spec on it.
        module.__spec__ = self._spec


def install() -> None:
    """Make the private package importable; doing so twice changes nothing."""
    if ROOT in sys.modules:
        return
    root = ModuleType(ROOT, "The pipelines that Hayhooks has loaded.")
    root.__path__ = []
    sys.modules[ROOT] = root
    sys.meta_path.insert(0, PipelineFinder())


def _find_in(fullname: str, path: Sequence[str]) -> ModuleSpec | None:
    loaders = [(UncachedLoader, SOURCE_SUFFIXES), (ExtensionFileLoader, EXTENSION_SUFFIXES)]
    namespaces: list[str] = []
    for directory in path:
        # A new finder each time: a kept one would remember the directory's listing.
        spec = FileFinder(directory, *loaders).find_spec(fullname)
        if spec is not None and spec.loader is not None:
            return spec
        if spec is not None:
            namespaces += spec.submodule_search_locations or []
    if not namespaces:
        return None
    package = ModuleSpec(fullname, None, is_package=True)
    package.submodule_search_locations = namespaces
    return package
