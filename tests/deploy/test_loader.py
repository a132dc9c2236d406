"""How the modules of a pipeline are imported (contract 1.5, D2, D19, D20)."""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
from collections.abc import Mapping
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from starlette.testclient import TestClient

from hayhooks import Hayhooks
from hayhooks.errors import HayhooksError, PipelineModuleLoadError, PipelineWrapperError
from tests.conftest import WritePipeline, wrapper_source
from tests.pipelines.generators import wait_until


def modules() -> set[str]:
    """Return the names of the loaded modules of pipelines."""
    return {name for name in sys.modules if name.partition(".")[0] in ("qa", "hayhooks_pipelines")}


def files(methods: str, others: Mapping[str, str] | None = None, *, head: str = "") -> dict[str, str]:
    """Return a wrapper with `head` above its class, and other files."""
    source = f"{dedent(head).strip()}\n{wrapper_source(methods)}"
    return {"pipeline_wrapper.py": source, **{path: dedent(text) for path, text in (others or {}).items()}}


def result(app: Hayhooks, name: str, **body: Any) -> Any:
    answer = TestClient(app, raise_server_exceptions=False).post(f"/{name}/run", json=body)
    return answer.json()["result"] if answer.status_code == 200 else (answer.status_code, answer.json())


VALUE = {"helper.py": "VALUE = 'from the helper'"}


@pytest.mark.parametrize("saved", [False, True])
@pytest.mark.parametrize("name", ["qa", "my-qa", "my.qa", "1", "é", "json", "os", "class", "hayhooks", "haystack"])
@pytest.mark.parametrize(
    ("head", "others"),
    [
        pytest.param("from .helper import VALUE", VALUE, id="relative"),
        pytest.param("from . import helper\nVALUE = helper.VALUE", VALUE, id="relative-module"),
        pytest.param(
            "from .sub.deep.module import VALUE",
            {"sub/deep/module.py": "from ...helper import VALUE\nfrom ..side import SIDE", "sub/side.py": "SIDE = 1"}
            | VALUE,
            id="nested-without-init",
        ),
        pytest.param(
            "from .sub import VALUE",
            {"sub/__init__.py": "from ..helper import VALUE", **VALUE},
            id="nested-with-init",
        ),
        pytest.param("from . import VALUE", {"__init__.py": "from .helper import VALUE", **VALUE}, id="init-first"),
    ],
)
def test_helpers_are_imported_whatever_the_name_of_the_pipeline(
    app: Hayhooks, name: str, saved: bool, head: str, others: Mapping[str, str]
) -> None:
    app.deploy(name, files("def run_api(self) -> str: return VALUE", others, head=head), save=saved)

    assert result(app, name) == "from the helper"


@pytest.mark.parametrize(
    "head",
    [
        "from qa.helper import VALUE",
        "import qa.helper\nVALUE = qa.helper.VALUE",
        "import qa.sub.m as m; VALUE = m.VALUE",
    ],
)
def test_the_name_of_the_pipeline_is_that_of_its_package(app: Hayhooks, head: str) -> None:
    others = {**VALUE, "sub/m.py": "from qa.helper import VALUE"}

    app.deploy("qa", files("def run_api(self) -> str: return VALUE", others, head=head))

    assert result(app, "qa") == "from the helper"


def test_a_helper_is_one_module_by_both_its_names(app: Hayhooks) -> None:
    head = "from . import helper as one\nfrom qa import helper as two\nimport qa.helper as three"

    app.deploy(
        "qa", files("def run_api(self) -> list: return [one is two, two is three, one.__name__]", VALUE, head=head)
    )

    same, also, name = result(app, "qa")
    assert (same, also, name.startswith("hayhooks_pipelines.qa_")) == (True, True, True)


def test_a_bare_name_of_a_helper_is_not_found_and_the_error_says_how(app: Hayhooks) -> None:
    with pytest.raises(PipelineModuleLoadError) as caught:
        app.deploy("qa", files("def run_api(self) -> str: return ''", VALUE, head="from helper import VALUE"))

    assert str(caught.value) == (
        "Failed to load pipeline module 'qa' - No module named 'helper'. A module beside the wrapper is imported with "
        "a dot: from .helper import ..."
    )


@pytest.mark.parametrize("name", ["json", "os", "haystack", "hayhooks", "wave", "starlette"])
def test_a_pipeline_hides_no_module(app: Hayhooks, name: str) -> None:
    head = f"import {name}\nORIGIN = {name}.__name__ + ' ' + str('pipelines' in {name}.__file__)"

    app.deploy(name, files("def run_api(self) -> str: return ORIGIN", head=head))

    assert result(app, name) == f"{name} False"
    assert __import__(name).__name__ == name


def test_shared_code_is_found_by_the_setting(tmp_path: Path) -> None:
    from hayhooks import Settings

    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "shared_code_of_a_test.py").write_text("VALUE = 'shared'", encoding="utf-8")
    before = list(sys.path)
    try:
        app = Hayhooks(settings=Settings(additional_python_path=str(tmp_path / "shared")))
        Hayhooks(settings=app.settings)
        head = "from shared_code_of_a_test import VALUE"
        app.deploy("qa", files("def run_api(self) -> str: return VALUE", head=head))

        assert sys.path == [*before, str(tmp_path / "shared")]
        assert result(app, "qa") == "shared"
    finally:
        sys.path[:] = before
        sys.modules.pop("shared_code_of_a_test", None)


@pytest.mark.parametrize("saved", [False, True])
def test_a_redeploy_reads_changed_helpers_again(app: Hayhooks, saved: bool) -> None:
    run = "def run_api(self) -> list: from qa.late import LATE; return [VALUE, MORE, LATE]"
    head = "from .helper import VALUE\nfrom qa.sub.more import MORE"
    seen = []
    for version in ("v1", "v2"):
        others = {path: f"{name} = '{version}'" for path, name in (("helper.py", "VALUE"), ("sub/more.py", "MORE"))}
        app.deploy(
            "qa", files(run, {**others, "late.py": f"LATE = '{version}'"}, head=head), overwrite=True, save=saved
        )
        seen.append(result(app, "qa"))

    assert seen == [["v1"] * 3, ["v2"] * 3]


def test_a_directory_that_the_user_changes_is_read_again(app: Hayhooks, write_pipeline: WritePipeline) -> None:
    directory = write_pipeline("qa", "def run_api(self) -> str: from .helper import VALUE; return VALUE", VALUE)
    app.deploy("qa", directory)
    before = result(app, "qa")
    stat = (directory / "helper.py").stat()
    # As long and as old as before: byte code would be taken for fresh.
    (directory / "helper.py").write_text("VALUE = 'from the hELPER'", encoding="utf-8")
    os.utime(directory / "helper.py", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    app.deploy("qa", directory, overwrite=True)

    assert (before, result(app, "qa")) == ("from the helper", "from the hELPER")


def test_no_byte_code_and_nothing_else_is_written(app: Hayhooks, write_pipeline: WritePipeline) -> None:
    directory = write_pipeline("qa", "def run_api(self) -> str: return ''", {**VALUE, "sub/m.py": "X = 1"})
    before = sorted(directory.rglob("*"))
    path = list(sys.path)

    app.deploy("qa", directory)
    result(app, "qa")

    assert (sorted(directory.rglob("*")), sys.path) == (before, path)


LATE = """
def run_api(self, wait: str = "") -> list:
    import time
    from pathlib import Path
    while wait and not Path(wait).exists():
        time.sleep(0.005)
    from .late import VALUE
    from .sub.later import LATER
    return [VALUE, LATER, (Path(__file__).parent / "data.txt").read_text()]
"""


def late_files(version: str) -> dict[str, str]:
    others = {"late.py": f"VALUE = '{version}'", "sub/later.py": f"LATER = '{version}'", "data.txt": version}
    return files(LATE, others)


@pytest.mark.parametrize("change", ["nothing", "redeploy", "undeploy", "failed-redeploy"])
@pytest.mark.parametrize("saved", [False, True])
def test_late_imports_and_data_files_work_as_long_as_a_run_lasts(
    app: Hayhooks, tmp_path: Path, change: str, saved: bool
) -> None:
    deployment = app.deploy("qa", late_files("v1"), save=saved)
    gate, answers = tmp_path / "gate", []
    thread = threading.Thread(target=lambda: answers.append(result(app, "qa", wait=str(gate))))
    thread.start()
    wait_until(lambda: deployment.runs.current)
    if change == "redeploy":
        app.deploy("qa", late_files("v2"), overwrite=True, save=saved)
        assert result(app, "qa") == ["v2"] * 3
    elif change == "undeploy":
        app.undeploy("qa")
    elif change == "failed-redeploy":
        with pytest.raises(HayhooksError):
            app.deploy("qa", {**late_files("v2"), "pipeline_wrapper.py": "1 / 0"}, overwrite=True, save=saved)
    gate.touch()
    thread.join(10)

    assert answers == [["v1"] * 3]


def test_an_unsaved_pipeline_has_its_files_until_it_ends(app: Hayhooks) -> None:
    deployment = app.deploy("qa", late_files("v1"))
    assert deployment.private_folder is not None
    directory = deployment.private_folder.path
    there = directory.is_dir()

    app.undeploy("qa")

    assert there
    wait_until(lambda: not directory.exists())


FAILURES = [
    pytest.param(
        {"pipeline_wrapper.py": "from .helper import VALUE\n1 / 0"}, "ZeroDivisionError: division", id="raises"
    ),
    pytest.param({"pipeline_wrapper.py": "from .helper import VALUE\n("}, "'(' was never closed", id="syntax"),
    pytest.param({"pipeline_wrapper.py": "import sys\nsys.exit(3)"}, "SystemExit: 3", id="exits"),
    pytest.param({"pipeline_wrapper.py": "raise ValueError"}, "ValueError: ValueError", id="error-without-text"),
    pytest.param({"pipeline_wrapper.py": "import nowhere_to_be_found"}, "No module named 'nowhere_to", id="import"),
    pytest.param({"pipeline_wrapper.py": "from .nothing import x"}, "No module named 'qa.nothing'", id="no-helper"),
    pytest.param(
        {"pipeline_wrapper.py": "from .sub.nothing import x", "sub/m.py": ""},
        "No module named 'qa.sub.n",
        id="no-module",
    ),
    pytest.param(
        {"pipeline_wrapper.py": "from .helper import nothing"}, "cannot import name 'nothing'", id="import-name"
    ),
    pytest.param({"__init__.py": "1 / 0", "pipeline_wrapper.py": ""}, "ZeroDivisionError", id="init-raises"),
    pytest.param(
        {"pipeline_wrapper.py": "X = 1"}, "'pipeline_wrapper.py' defines no class 'PipelineWrapper'", id="no-class"
    ),
    pytest.param(
        {"pipeline_wrapper.py": "class PipelineWrapper: ..."},
        "'PipelineWrapper' must be a subclass of hayhooks.BasePipelineWrapper",
        id="no-subclass",
    ),
    pytest.param(
        {"pipeline_wrapper.py": "def PipelineWrapper(): ..."}, "'PipelineWrapper' must be a subclass", id="function"
    ),
]


@pytest.mark.parametrize("deployed", [False, True], ids=["new", "deployed"])
@pytest.mark.parametrize(("broken", "reason"), FAILURES)
def test_a_module_that_fails_changes_nothing(
    app: Hayhooks, deployed: bool, broken: dict[str, str], reason: str
) -> None:
    run = "def run_api(self) -> str: from qa.late import VALUE; return VALUE"
    if deployed:
        app.deploy("qa", files(run, {**VALUE, "late.py": "VALUE = 'late'"}, head="import qa.helper"), save=True)
    before, path = dict(sys.modules), list(sys.path)

    with pytest.raises(PipelineModuleLoadError) as caught:
        app.deploy("qa", {**VALUE, **broken}, overwrite=True, save=True)

    assert str(caught.value).startswith(f"Failed to load pipeline module 'qa' - {reason}")
    assert {name: sys.modules.get(name) for name in before} == before
    assert [name for name in modules() if name not in before] == []
    assert sys.path == path
    if deployed:
        assert result(app, "qa") == "late"


@pytest.mark.parametrize(
    ("methods", "text"),
    [
        pytest.param(
            "def __init__(self): 1 / 0\ndef run_api(self) -> str: return ''",
            "Failed to create pipeline wrapper instance: division by zero",
            id="constructor",
        ),
        pytest.param(
            "def setup(self): 1 / 0\ndef run_api(self) -> str: return ''",
            "Failed to call setup() on pipeline wrapper instance: division by zero",
            id="setup",
        ),
        pytest.param(
            "def setup(self): raise SystemExit(3)\ndef run_api(self) -> str: return ''",
            "Failed to call setup() on pipeline wrapper instance: 3",
            id="setup-exits",
        ),
        pytest.param("x = 1", "At least one of run_api, run_api_async, run_chat_completion,", id="no-method"),
        pytest.param("def run_api(self, a) -> str: return a", "run_api: the parameter 'a' has no type", id="signature"),
        pytest.param(
            "deployment_type = 'robot'\ndef run_api(self) -> str: return ''",
            "deployment_type must be one of ('agent', 'pipeline', 'unknown'), not 'robot'",
            id="type",
        ),
    ],
)
def test_a_wrapper_that_fails_changes_nothing(app: Hayhooks, methods: str, text: str) -> None:
    app.deploy("qa", files("def run_api(self) -> str: from qa.late import V; return V", {"late.py": "V = 'old'"}))
    before = dict(sys.modules)

    with pytest.raises(PipelineWrapperError) as caught:
        app.deploy("qa", files(methods), overwrite=True)

    assert str(caught.value).startswith(text)
    assert {name: sys.modules.get(name) for name in before} == before
    assert [name for name in modules() if name not in before] == []
    assert result(app, "qa") == "old"


def test_a_wrapper_without_setup_is_refused(app: Hayhooks) -> None:
    source = "from hayhooks import *\nclass PipelineWrapper(BasePipelineWrapper): ..."

    with pytest.raises(PipelineWrapperError, match="^Failed to create pipeline wrapper instance: .*setup"):
        app.deploy("qa", {"pipeline_wrapper.py": source})


@pytest.mark.parametrize(
    "source",
    ["1 / 0", "from hayhooks import *\nclass PipelineWrapper(BasePipelineWrapper):\n    def setup(self): 1 / 0\n"],
    ids=["load", "setup"],
)
def test_with_the_setting_an_error_has_its_traceback(source: str) -> None:
    from hayhooks import Settings

    app = Hayhooks(settings=Settings(show_tracebacks=True))

    with pytest.raises(HayhooksError) as caught:
        app.deploy("qa", {"pipeline_wrapper.py": source})

    assert str(caught.value).splitlines()[-1] == "ZeroDivisionError: division by zero"
    assert "Traceback (most recent call last):" in str(caught.value)


def test_a_directory_without_a_wrapper_is_refused(app: Hayhooks, tmp_path: Path) -> None:
    with pytest.raises(PipelineModuleLoadError) as caught:
        app.deploy("qa", tmp_path)

    assert str(caught.value) == "Failed to load pipeline module 'qa' - Required file 'pipeline_wrapper.py' not found"


def test_without_fastapi_the_error_says_where_its_names_are(app: Hayhooks) -> None:
    with pytest.raises(PipelineModuleLoadError) as caught:
        app.deploy("qa", {"pipeline_wrapper.py": "from fastapi import UploadFile"})

    assert "No module named 'fastapi'. UploadFile, HTTPException, " in str(caught.value)
    assert "can be imported from hayhooks" in str(caught.value)


def test_an_undeploy_forgets_the_modules(app: Hayhooks) -> None:
    before = dict(sys.modules)
    app.deploy("qa", files("def run_api(self) -> str: return VALUE", VALUE, head="from qa.helper import VALUE"))
    during = [name for name in modules() if name not in before]

    app.undeploy("qa")

    assert during != []
    wait_until(lambda: [name for name in modules() if name not in before] == [])
    assert {name for name in sys.modules if name.split(".")[0] == "qa"} == set()


def test_many_deploys_leave_nothing_behind(app: Hayhooks) -> None:
    def deploy() -> None:
        app.deploy("qa", files("def run_api(self) -> str: return VALUE", VALUE, head="from qa.helper import VALUE"))
        app.undeploy("qa")

    threads = set(threading.enumerate())
    deploy()
    wait_until(lambda: set(threading.enumerate()) <= threads)
    gc.collect()
    counts = (len(sys.modules), len(sys.path))
    descriptors = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        deploy()

    wait_until(lambda: set(threading.enumerate()) <= threads)
    assert (len(sys.modules), len(sys.path)) == counts
    assert len(os.listdir("/proc/self/fd")) <= descriptors


def test_two_applications_have_pipelines_of_one_name(app: Hayhooks) -> None:
    other = Hayhooks()
    for number, hooks in enumerate((app, other)):
        hooks.deploy("qa", files(LATE, {"late.py": f"VALUE = {number}", "sub/later.py": "LATER = 1", "data.txt": ""}))

    assert (result(app, "qa"), result(other, "qa")) == ([0, 1, ""], [1, 1, ""])
    other.undeploy("qa")
    assert result(app, "qa") == [0, 1, ""]


def test_sources_are_utf8(app: Hayhooks) -> None:
    app.deploy("qa", files("def run_api(self) -> str: return 'é日'"), save=True)

    assert result(app, "qa") == "é日"


def test_tracing_libraries_find_the_modules_while_they_are_executed(app: Hayhooks) -> None:
    head = "import sys\nSEEN = [sys.modules[name].__name__ == name for name in (__name__, __package__)]"

    app.deploy("qa", files("def run_api(self) -> list: return SEEN", {"__init__.py": head}, head=head))

    assert result(app, "qa") == [True, True]


def test_a_missing_extension_module_is_looked_for_where_the_wrapper_is(app: Hayhooks) -> None:
    others = {f"native{EXTENSION_SUFFIXES[0]}": "no shared object"}

    with pytest.raises(PipelineModuleLoadError, match="native"):
        app.deploy("qa", files("def run_api(self) -> str: return ''", others, head="from . import native"))


@pytest.mark.parametrize("name", ["qa", "json"])
def test_pickles_of_a_helpers_class_can_be_read_while_it_is_deployed(app: Hayhooks, name: str) -> None:
    run = """
    def run_api(self) -> str:
        import pickle
        return pickle.loads(pickle.dumps(Thing())).word
    """
    app.deploy(name, files(run, {"helper.py": "class Thing:\n    word = 'kept'"}, head="from .helper import Thing"))

    assert result(app, name) == "kept"
    assert json.loads("1") == 1


@pytest.mark.parametrize(
    "late",
    [
        "from qa.late import TEXT",
        "from qa import late; TEXT = late.TEXT",
        "import qa.late; TEXT = qa.late.TEXT",
        "import json, qa.late as late, os; TEXT = late.TEXT",
        "import qa.late, qa; from qa.sub.later import TEXT",
    ],
)
def test_a_late_import_by_the_short_name_meets_the_version_that_asks(app: Hayhooks, tmp_path: Path, late: str) -> None:
    def version(text: str, setup: str) -> dict[str, str]:
        source = files(f"def run_api(self) -> str:\n    {late.replace('; ', chr(10) + '    ')}\n    return TEXT")
        wrapper = source["pipeline_wrapper.py"].replace("def setup(self): pass", f"def setup(self): {setup}")
        return {"pipeline_wrapper.py": wrapper, "late.py": f"TEXT = {text!r}", "sub/later.py": "from qa.late import *"}

    gate, entered = tmp_path / "gate", tmp_path / "entered"
    waiting = f"import os; os.mkdir({str(entered)!r}); any(iter(lambda: os.path.exists({str(gate)!r}), True))"
    app.deploy("qa", version("v1", "pass"))
    thread = threading.Thread(target=app.deploy, args=("qa", version("v2", waiting)), kwargs={"overwrite": True})
    thread.start()
    wait_until(entered.exists)
    during = result(app, "qa")
    gate.touch()
    thread.join(10)

    assert (during, result(app, "qa")) == ("v1", "v2")
