"""What to do about a failure."""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import PurePosixPath

from hayhooks.deploy import finder
from hayhooks.deploy.sources import WRAPPER_FILE
from hayhooks.pipelines.yaml.moved import advice
from hayhooks.trial.places import causes

# Packages whose modules are called otherwise, of those that wrappers often import.
_PACKAGES = {
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "docx": "python-docx",
    "dotenv": "python-dotenv",
    "fitz": "pymupdf",
    "google": "google-genai",
    "haystack_integrations": "the Haystack integration's package, as chroma-haystack",
    "PIL": "pillow",
    "pptx": "python-pptx",
    "sentence_transformers": "sentence-transformers",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}


def find_hint(error: BaseException, *, pipeline: str, files: Collection[str], importer: str | None) -> str | None:
    """Return what to do about an error of a pipeline; `importer` is its file that the error came from."""
    for cause in causes(error):
        if isinstance(cause, ModuleNotFoundError) and cause.name:
            return _of_missing(cause.name, pipeline, files=files, importer=importer or WRAPPER_FILE)
        if isinstance(cause, ImportError) and cause.name and cause.name.startswith("haystack"):
            names = str(cause).split("'")[1:2]
            if names and (text := advice(f"{cause.name}.{names[0]}")):
                return text
    return None


def _of_missing(module: str, pipeline: str, *, files: Collection[str], importer: str) -> str | None:
    first = module.partition(".")[0]
    own = [path for path in files if _is_called(path, first)]
    if own:
        return (
            f"{first!r} is one of the pipeline's own modules, which are imported with a dot: "
            f"in {importer}, from {_relative(first, min(own, key=len), importer)} import ..."
        )
    if first in (finder.ROOT, pipeline):
        # `from .prompts import ...`, or `from qa.prompts import ...` in the pipeline 'qa'.
        modules = ", ".join(sorted(path for path in files if path.endswith(".py")))
        return f"It is looked for in the pipeline itself, which has these modules: {modules}"
    if first in sys.stdlib_module_names:
        return None
    return f"pip install {_PACKAGES.get(first, first)}"


def _is_called(path: str, name: str) -> bool:
    """Tell whether a file is the module of a name, or stands in a folder that is."""
    *folders, file = PurePosixPath(path).parts
    return file == f"{name}.py" or (name in folders and file.endswith(".py"))


def _relative(name: str, path: str, importer: str) -> str:
    """Return how one file of a pipeline names a module, or a folder, of another: `.helper`, `..tools.search`."""
    parts = PurePosixPath(path).with_suffix("").parts
    target = parts[: parts.index(name) + 1]
    own = PurePosixPath(importer).parent.parts
    shared = 0
    while shared < min(len(own), len(target) - 1) and own[shared] == target[shared]:
        shared += 1
    return "." * (len(own) - shared + 1) + ".".join(target[shared:])
