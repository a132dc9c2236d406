"""What a trial says is to be done about a failure."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from tests.trial.conftest import tried

OWN = "{name!r} is one of the pipeline's own modules, which are imported with a dot: in {file}, from {path} import ..."
LOOKED_FOR = "It is looked for in the pipeline itself, which has these modules: helper.py, pipeline_wrapper.py"


@pytest.mark.parametrize(
    ("files", "place", "hint"),
    [
        pytest.param(
            {"pipeline_wrapper.py": "import os\nimport sklearn.nothing_of_this_kind\n"},
            ("pipeline_wrapper.py", 2),
            "pip install scikit-learn",
            id="package",
        ),
        pytest.param({"pipeline_wrapper.py": "import os.nothing"}, ("pipeline_wrapper.py", 1), None, id="stdlib"),
        pytest.param(
            {"pipeline_wrapper.py": "import helper\n", "helper.py": ""},
            ("pipeline_wrapper.py", 1),
            OWN.format(name="helper", file="pipeline_wrapper.py", path=".helper"),
            id="sibling",
        ),
        pytest.param(
            {"pipeline_wrapper.py": "from tools.search import find\n", "tools/search.py": ""},
            ("pipeline_wrapper.py", 1),
            OWN.format(name="tools", file="pipeline_wrapper.py", path=".tools"),
            id="folder",
        ),
        pytest.param(
            {"pipeline_wrapper.py": "from .tools import search\n", "tools/search.py": "\nimport fetch", "fetch.py": ""},
            ("tools/search.py", 2),
            OWN.format(name="fetch", file="tools/search.py", path="..fetch"),
            id="above",
        ),
        pytest.param(
            {"pipeline_wrapper.py": "from .a import b\n", "a/b.py": "import c\n", "a/c.py": ""},
            ("a/b.py", 1),
            OWN.format(name="c", file="a/b.py", path=".c"),
            id="beside",
        ),
        pytest.param(
            {"pipeline_wrapper.py": "from .helpr import x\n", "helper.py": "", "a.txt": ""},
            ("pipeline_wrapper.py", 1),
            LOOKED_FOR,
            id="misspelt",
        ),
        pytest.param(
            {"pipeline_wrapper.py": "import qa.helpr\n", "helper.py": ""},
            ("pipeline_wrapper.py", 1),
            LOOKED_FOR,
            id="by-its-name",
        ),
    ],
)
def test_a_module_that_is_missing_has_a_hint_that_helps(
    client: TestClient, files: dict[str, str], place: tuple[str, int], hint: str | None
) -> None:
    (found,) = tried(client, files=files)["problems"]

    assert ((found["file"], found["line"]), found["hint"]) == (place, hint)


def test_what_the_hint_says_works(client: TestClient) -> None:
    wrapper = "from .tools import search\nfrom hayhooks import *\nclass PipelineWrapper(BasePipelineWrapper):\n"
    methods = "    def setup(self): pass\n    def run_api(self) -> int: return search.fetch.x\n"
    files = {"pipeline_wrapper.py": wrapper + methods, "tools/search.py": "from .. import fetch", "fetch.py": "x = 1"}

    assert tried(client, files=files)["problems"] == []


def test_what_left_haystack_has_a_hint(client: TestClient) -> None:
    removed = "from haystack.components.embedders import SentenceTransformersTextEmbedder\n"
    moved = tried(client, files={"pipeline_wrapper.py": removed})

    assert "sentence-transformers-haystack" in moved["problems"][0]["hint"]
