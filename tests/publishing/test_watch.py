"""`HAYHOOKS_WATCH`: what changes in the pipelines directory is served without a deploy."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from hayhooks import Hayhooks, Settings
from hayhooks.logger import log
from tests.conftest import wrapper_source
from tests.deploy.disk import DOUBLE, version, write, yaml_version
from tests.pipelines.generators import wait_until


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a pipelines directory with the pipelines `qa` and `other`."""
    write(tmp_path / "pipelines", {f"{name}/{path}": text for name in ("qa", "other") for path, text in V1.items()})
    return tmp_path / "pipelines"


@pytest.fixture
def client(folder: Path) -> Iterator[TestClient]:
    with TestClient(Hayhooks(folder, settings=Settings(watch=True))) as client:
        yield client


V1 = version("v1")


def answer(client: TestClient, name: str = "qa", **body: Any) -> Any:
    response = client.post(f"/{name}/run", json=body)
    return response.json().get("result", response.status_code)


def wait_for(client: TestClient, expected: Any, name: str = "qa", **body: Any) -> None:
    wait_until(lambda: answer(client, name, **body) == expected)


def change(folder: Path, text: str) -> None:
    write(folder, {f"qa/{path}": content for path, content in version(text).items()})


def test_a_change_is_served(client: TestClient, folder: Path) -> None:
    app: Any = client.app
    other = app.deployments["other"]

    change(folder, "v2")
    wait_until(lambda: answer(client) == "v2")

    assert app.deployments["other"] is other
    assert answer(client, "other") == "v1"


def test_a_broken_change_leaves_the_old_version_and_is_told(client: TestClient, folder: Path) -> None:
    write(folder, {"qa/pipeline_wrapper.py": "1 / 0"})
    wait_until(lambda: "failures" in client.get("/status").json())

    assert client.get("/status").json()["failures"] == {
        "qa": "Failed to load pipeline module 'qa' - ZeroDivisionError: division by zero"
    }
    assert answer(client) == "v1"

    change(folder, "v3")
    wait_until(lambda: answer(client) == "v3")
    wait_until(lambda: "failures" not in client.get("/status").json())


def test_a_folder_that_goes_is_undeployed_and_one_that_comes_is_deployed(client: TestClient, folder: Path) -> None:
    shutil.rmtree(folder / "qa")
    wait_until(lambda: client.get("/status").json()["pipelines"] == ["other"])

    change(folder, "back")
    write(folder, {"calc.yml": DOUBLE})
    wait_until(lambda: sorted(client.get("/status").json()["pipelines"]) == ["calc", "other", "qa"])

    assert answer(client) == "back"
    assert answer(client, "calc", value=1) == {"double": {"value": 2}}


def test_what_a_pipeline_writes_itself_is_no_change(client: TestClient, folder: Path) -> None:
    app: Any = client.app
    before = app.deployments["qa"]

    write(folder, {"qa/index.db": "x", "qa/__pycache__/a.py": "x", "qa/.hidden.py": "x"})
    change(folder, "v2")
    wait_until(lambda: answer(client) == "v2")
    after = app.deployments["qa"]
    write(folder, {"qa/index.db": "y", "other/late.py": "x"})
    wait_until(lambda: app.deployments["other"].created > after.created)

    assert before is not after
    assert app.deployments["qa"] is after


def test_a_saved_deploy_over_a_watched_folder_stays(client: TestClient, folder: Path) -> None:
    body = {"name": "qa", "files": version("saved"), "overwrite": True}
    assert client.post("/deploy_files", json=body).status_code == 200

    change(folder, "ignored")
    write(folder, {"other/late.py": "x"})
    app: Any = client.app
    before = app.deployments["other"].created
    wait_until(lambda: app.deployments["other"].created >= before)

    assert answer(client) == "saved"


def watched(folder: Path) -> TestClient:
    return TestClient(Hayhooks(folder, settings=Settings(watch=True)))


def settle(client: TestClient, folder: Path) -> None:
    """Return when the watcher has done everything that comes of what was written before."""
    for _ in range(2):
        see(client, folder)


def see(client: TestClient, folder: Path) -> None:
    """Return when the watcher has seen what was written before."""
    app: Any = client.app
    before = app.deployments["other"]
    write(folder, {"other/late.py": f"x = {before.created}"})
    wait_until(lambda: app.deployments["other"] is not before)


def test_a_link_to_a_folder_elsewhere_is_watched(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", V1)
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    with watched(folder) as client:
        assert answer(client, "linked") == "v1"
        write(tmp_path / "elsewhere", version("v2"))
        wait_until(lambda: answer(client, "linked") == "v2")


@pytest.mark.parametrize("target", ["elsewhere", "pipelines/qa"])
def test_all_links_to_one_folder_are_deployed_again(folder: Path, tmp_path: Path, target: str) -> None:
    write(tmp_path / target, V1)
    for name in ("first", "second"):
        (folder / name).symlink_to(tmp_path / target)
    with watched(folder) as client:
        write(tmp_path / target, version("v2"))
        wait_until(lambda: [answer(client, name) for name in ("first", "second")] == ["v2", "v2"])


def test_a_link_that_comes_later_is_followed(client: TestClient, folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", V1)
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    wait_until(lambda: answer(client, "linked") == "v1")

    write(tmp_path / "elsewhere", version("v2"))
    wait_until(lambda: answer(client, "linked") == "v2")


def test_a_linked_folder_that_is_replaced_is_watched_on(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", V1)
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    with watched(folder) as client:
        for text in ("v2", "v3", "v4"):
            shutil.rmtree(tmp_path / "elsewhere")
            write(tmp_path / "elsewhere", version(text))
            wait_for(client, text, "linked")
        for text in ("v5", "v6"):
            write(tmp_path / text, version(text))
            (tmp_path / "elsewhere").rename(tmp_path / f"before {text}")
            (tmp_path / text).rename(tmp_path / "elsewhere")
            wait_for(client, text, "linked")


def test_a_linked_yaml_that_is_saved_by_a_rename_is_watched_on(folder: Path, tmp_path: Path) -> None:
    write(tmp_path, {"calc.yml": yaml_version(1)})
    (folder / "calc.yml").symlink_to(tmp_path / "calc.yml")
    with watched(folder) as client:
        for number in (2, 3):
            write(tmp_path, {"draft": yaml_version(number)})
            (tmp_path / "draft").replace(tmp_path / "calc.yml")
            wait_for(client, {"double": {"result": 1 + number}}, "calc", value=1)


def save_again(folder: Path) -> None:
    change(folder, "v1")


def touch(folder: Path) -> None:
    os.utime(folder / "qa/pipeline_wrapper.py")


def save_by_rename(folder: Path) -> None:
    write(folder, {f"qa/draft-{path}": text for path, text in V1.items()})
    (folder / "qa/draft-pipeline_wrapper.py").replace(folder / "qa/pipeline_wrapper.py")


def take_away_and_bring_back(folder: Path) -> None:
    (folder / "qa").rename(folder.parent / "away")
    (folder.parent / "away").rename(folder / "qa")


@pytest.mark.parametrize("act", [save_again, touch, save_by_rename, take_away_and_bring_back])
def test_what_changes_no_content_deploys_nothing(client: TestClient, folder: Path, act: Callable[[Path], None]) -> None:
    app: Any = client.app
    before = app.deployments["qa"]

    act(folder)
    settle(client, folder)

    assert app.deployments["qa"] is before


def test_a_checkout_of_another_branch_leaves_no_gap(client: TestClient, folder: Path) -> None:
    app: Any = client.app
    before = app.deployments["qa"]
    shutil.rmtree(folder / "qa")
    see(client, folder)
    assert app.deployments["qa"] is before

    change(folder, "v2")
    while (seen := answer(client)) != "v2":
        assert seen == "v1"


COUNTING = """
import itertools
from pathlib import Path
from hayhooks import BasePipelineWrapper

class PipelineWrapper(BasePipelineWrapper):
    def setup(self):
        notes = Path(__file__).parent / "notes.txt"
        count = int(notes.read_text()) + 1 if notes.exists() else 1
        notes.write_text(str(count))
        self.count = count

    def run_api(self) -> int:
        return self.count
"""


def test_a_setup_that_writes_into_its_folder_does_not_go_round_in_circles(folder: Path) -> None:
    write(folder, {"qa/pipeline_wrapper.py": COUNTING})
    with watched(folder) as client:
        wait_until(lambda: answer(client) == 2)
        settle(client, folder)
        assert answer(client) == 2

        write(folder, {"qa/pipeline_wrapper.py": COUNTING + "# changed"})
        wait_until(lambda: answer(client) == 3)
        settle(client, folder)
        assert answer(client) == 3

        write(folder, {"qa/notes.txt": "10"})
        wait_until(lambda: answer(client) == 11)


@pytest.mark.parametrize("text", ["'same'", "str(len(built))"], ids=["same", "another"])
def test_a_setup_that_writes_and_fails_is_not_tried_without_end(client: TestClient, folder: Path, text: str) -> None:
    source = f"""
from pathlib import Path
here = Path(__file__).parent
with (here / "built.log").open("a") as log:
    log.write("x")
built = (here / "built.log").read_text()
(here / "notes.txt").write_text({text})
1 / 0
"""
    write(folder, {"qa/pipeline_wrapper.py": source})
    wait_until(lambda: "failures" in client.get("/status").json())
    settle(client, folder)
    settle(client, folder)

    assert len((folder / "qa/built.log").read_text()) == 2


SLOW = """
import time
from pathlib import Path
from hayhooks import BasePipelineWrapper

class PipelineWrapper(BasePipelineWrapper):
    def setup(self):
        here = Path(__file__).parent
        self.text = (here / "prompt.txt").read_text()
        (here / "began.log").write_text(self.text)
        while not (here / f"{self.text}.log").exists():
            time.sleep(0.005)

    def run_api(self) -> str:
        return self.text
"""


def test_a_change_while_a_pipeline_is_set_up_is_not_missed(client: TestClient, folder: Path) -> None:
    write(folder, {"qa/prompt.txt": "one", "qa/pipeline_wrapper.py": SLOW, "qa/two.log": ""})
    wait_until(lambda: (folder / "qa/began.log").exists())

    write(folder, {"qa/prompt.txt": "two", "qa/one.log": ""})

    wait_until(lambda: answer(client) == "two")


TOLD = """
from pathlib import Path
from hayhooks import BasePipelineWrapper

class PipelineWrapper(BasePipelineWrapper):
    def setup(self):
        self.text = "in code" + Path(__file__).with_name("prompt.txt").read_text()

    def run_api(self) -> str:
        return self.text
"""


@pytest.mark.parametrize("file", ["pipeline_wrapper.py", "prompt.txt"])
def test_changes_right_after_each_other_are_not_missed(folder: Path, file: str) -> None:
    texts = {"pipeline_wrapper.py": TOLD, "prompt.txt": "in code"}
    write(folder, {"qa/pipeline_wrapper.py": TOLD, "qa/prompt.txt": ""})
    with watched(folder) as client:
        for number in range(8):
            text = texts[file].replace("in code", f"v{number}")
            write(folder, {f"qa/{file}": text})
            wait_for(client, f"v{number}" if file.endswith(".py") else f"in code{text}")


def test_a_change_while_the_server_starts_is_not_missed(folder: Path) -> None:
    write(folder, {"qa/pipeline_wrapper.py": V1["pipeline_wrapper.py"].replace("pass", "rewrite()")})
    text = """
from pathlib import Path
def rewrite():
    prompt = Path(__file__).with_name("prompt.txt")
    prompt.write_text("late")
"""
    source = (folder / "qa/pipeline_wrapper.py").read_text().replace("'v1'", "self.text")
    source = source.replace("rewrite()", 'self.text = Path(__file__).with_name("prompt.txt").read_text(); rewrite()')
    write(folder, {"qa/pipeline_wrapper.py": text + source, "qa/prompt.txt": "early"})

    with watched(folder) as client:
        wait_until(lambda: answer(client) == "late")


FAILING_TESTS = {
    "wrapper": (
        "qa/pipeline_wrapper.py",
        wrapper_source("def run_api(self) -> int: return 2\ndef selftest(self): return False"),
        "selftest() failed: it returned False",
    ),
    "yaml": (
        "calc.yml",
        f"{yaml_version(2)}examples: [{{value: 1}}]".replace("add: 2", "add: x"),
        "'examples[0]' failed: PipelineRuntimeError: The following component failed to run:\nComponent name: 'double'\n"
        "Component type: 'AddFixedValue'\nError: unsupported operand type(s) for +: 'int' and 'str'",
    ),
}


@pytest.mark.parametrize(("file", "text", "reason"), FAILING_TESTS.values(), ids=FAILING_TESTS)
def test_a_version_that_fails_its_own_test_is_not_served(folder: Path, file: str, text: str, reason: str) -> None:
    write(folder, {"calc.yml": yaml_version(1)})
    name = Path(file).parts[0].removesuffix(".yml")
    with watched(folder) as client:
        before = answer(client, name, value=1)
        write(folder, {file: text})
        wait_until(lambda: "failures" in client.get("/status").json())

        assert client.get("/status").json()["failures"] == {name: reason}
        assert answer(client, name, value=1) == before


def test_what_failed_is_tried_again_when_it_is_saved_again(client: TestClient, folder: Path, tmp_path: Path) -> None:
    source = f"from pathlib import Path\nPath({str(tmp_path / 'wanted')!r}).read_text()\n"
    write(folder, {"qa/pipeline_wrapper.py": source + version("v2")["pipeline_wrapper.py"]})
    wait_until(lambda: "failures" in client.get("/status").json())

    (tmp_path / "wanted").touch()
    touch(folder)

    wait_until(lambda: answer(client) == "v2")


@pytest.fixture
def lines(client: TestClient) -> Iterator[list[str]]:
    """The lines of the log of a server that runs."""
    lines: list[str] = []
    log.enable("hayhooks")
    sink = log.add(lambda message: lines.append(str(message).rstrip()), format="{message}", level="INFO")
    yield lines
    log.remove(sink)
    log.disable("hayhooks")


def test_a_deploy_over_http_is_not_deployed_again(client: TestClient, folder: Path) -> None:
    app: Any = client.app
    client.post("/deploy_files", json={"name": "new", "files": V1})
    before = app.deployments["new"]
    settle(client, folder)

    assert app.deployments["new"] is before


def test_a_change_of_what_something_else_was_deployed_over_is_told(
    client: TestClient, folder: Path, lines: list[str]
) -> None:
    note = folder / ".hayhooks/overrides/qa"
    client.post("/deploy_files", json={"name": "qa", "files": version("saved"), "overwrite": True})
    change(folder, "v2")
    settle(client, folder)

    assert answer(client) == "saved"
    assert [line for line in lines if line.startswith("'qa'")] == [
        "'qa' has changed, but it has been deployed from elsewhere since, and that counts. "
        f"To serve these files again, remove {note} and save once more"
    ]
    assert "Deployed again: qa" not in lines

    note.unlink()
    change(folder, "v3")
    wait_until(lambda: answer(client) == "v3")


def test_a_change_of_what_was_undeployed_is_told(client: TestClient, folder: Path, lines: list[str]) -> None:
    client.post("/undeploy/qa")
    change(folder, "v2")
    settle(client, folder)

    assert client.get("/status").json()["pipelines"] == ["other"]
    assert "'qa' has changed, but it has been undeployed since" in "\n".join(lines)


def test_a_change_below_an_unsaved_deploy_is_told(client: TestClient, folder: Path, lines: list[str]) -> None:
    client.post("/deploy_files", json={"name": "qa", "files": version("x"), "overwrite": True, "save_files": False})
    change(folder, "v2")
    settle(client, folder)

    assert answer(client) == "x"
    assert "'qa' has changed, but what was deployed without being saved is served until a restart" in lines


def test_a_directory_that_comes_later_is_watched_then(tmp_path: Path) -> None:
    with TestClient(Hayhooks(tmp_path / "pipelines", settings=Settings(watch=True))) as client:
        assert client.get("/status").json()["pipelines"] == []
        change(tmp_path / "pipelines", "v1")
        wait_until(lambda: answer(client) == "v1")
