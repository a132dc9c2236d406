"""What a start finds and deploys (contract 2.10, D2, D4, D26)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from hayhooks import Hayhooks, Settings
from tests.conftest import WritePipeline
from tests.deploy.disk import DOUBLE, answer, restarted, start, tree, version, write, yaml_version

WRAPPER = "pipeline_wrapper.py"


@pytest.fixture
def pipelines(tmp_path: Path) -> Path:
    (tmp_path / "pipelines").mkdir()
    return tmp_path / "pipelines"


def code(text: str) -> str:
    return version(text)[WRAPPER]


def added(value: int) -> dict[str, Any]:
    return {"double": {"result": value}}


@pytest.mark.parametrize("strategy", ["parallel", "sequential"])
def test_directories_and_yaml_files_are_deployed_in_order_of_their_names(pipelines: Path, strategy: str) -> None:
    write(pipelines, {"b/pipeline_wrapper.py": code("b"), "d.yml": yaml_version(1), "a.yaml": yaml_version(2)})
    write(pipelines, {"c/pipeline_wrapper.py": code("c"), "é.yml": yaml_version(3)})

    found = restarted(pipelines, startup_deploy_strategy=strategy)

    assert list(found.items()) == [("a", added(3)), ("b", "b"), ("c", "c"), ("d", added(2)), ("é", added(4))]


@pytest.mark.parametrize("strategy", ["parallel", "sequential"])
@pytest.mark.parametrize(
    ("path", "text", "reason"),
    [
        pytest.param("bad/pipeline_wrapper.py", "1 / 0", "Pipeline 'bad' is left out: Failed to load", id="load"),
        pytest.param(
            "bad/pipeline_wrapper.py", code("x").replace("pass", "1 / 0"), "Pipeline 'bad' is left", id="setup"
        ),
        pytest.param(
            "bad/pipeline_wrapper.py", code("x").replace("pass", "exit()"), "Pipeline 'bad' is left", id="exit"
        ),
        pytest.param(
            "bad.yml", "components: {}\ninputs: {a: b.c}", "Pipeline 'bad' is left out: The YAML is", id="yaml"
        ),
        pytest.param("bad.yml", "a: [1", "Pipeline 'bad' is left out: The YAML cannot be read", id="yaml-syntax"),
        pytest.param("a\nb/pipeline_wrapper.py", code("x"), "Pipeline 'a\nb' is left out".split("\n")[0], id="name"),
        pytest.param(
            "undeploy/pipeline_wrapper.py", code("x"), "Pipeline 'undeploy' is left out: Pip", id="taken-name"
        ),
    ],
)
def test_one_that_fails_is_reported_and_the_others_are_deployed(
    pipelines: Path, log_lines: list[str], strategy: str, path: str, text: str, reason: str
) -> None:
    write(pipelines, {"a/pipeline_wrapper.py": code("a"), path: text, "z.yml": DOUBLE})

    assert restarted(pipelines, startup_deploy_strategy=strategy) == {"a": "a", "z": {"double": {"value": 2}}}
    assert [line[: len(f"WARNING {reason}")] for line in log_lines if line.startswith("WARNING")] == [
        f"WARNING {reason}"
    ]
    assert any(line.startswith("INFO 2 of 3 pipelines deployed from ") for line in log_lines)


def test_yaml_that_is_no_utf8_is_left_out(pipelines: Path, log_lines: list[str]) -> None:
    (pipelines / "bad.yml").write_bytes(b"\xff")
    write(pipelines, {"good.yml": DOUBLE})

    assert list(restarted(pipelines)) == ["good"]
    assert [line.partition(":")[0] for line in log_lines if "bad" in line] == ["WARNING Pipeline 'bad' is left out"]


@pytest.mark.parametrize(
    "path",
    [
        ".hidden/pipeline_wrapper.py",
        ".hidden.yml",
        "__pycache__/pipeline_wrapper.py",
        "__init__.yml",
        "x.yZZml",
        "x.txt",
        "pipeline_wrapper.py",
        "x.YML",
    ],
)
def test_what_is_hidden_or_something_else_is_skipped(pipelines: Path, log_lines: list[str], path: str) -> None:
    write(pipelines, {path: code("x") if path.endswith(".py") else DOUBLE, "good.yml": DOUBLE})

    assert list(restarted(pipelines)) == ["good"]
    assert [line for line in log_lines if line.startswith("WARNING")] == []


def test_a_directory_without_a_wrapper_is_mentioned_and_skipped(pipelines: Path, log_lines: list[str]) -> None:
    write(pipelines, {"data/x.txt": "", "good.yml": DOUBLE})

    assert list(restarted(pipelines)) == ["good"]
    assert "INFO data/ is left out: it holds no pipeline_wrapper.py" in log_lines


@pytest.mark.parametrize(
    ("files", "expected", "left_out"),
    [
        pytest.param(
            {"qa.yml": DOUBLE, "qa/pipeline_wrapper.py": code("dir")}, {"double": {"value": 2}}, "qa", id="dir"
        ),
        pytest.param({"qa.yaml": yaml_version(1), "qa.yml": yaml_version(2)}, added(2), "qa.yml", id="two-yamls"),
    ],
)
def test_of_two_sources_of_one_name_the_first_wins_and_nothing_is_written(
    pipelines: Path, log_lines: list[str], files: dict[str, str], expected: Any, left_out: str
) -> None:
    write(pipelines, files)
    before = tree(pipelines)

    assert (restarted(pipelines), tree(pipelines)) == ({"qa": expected}, before)
    assert f"WARNING {left_out} is left out: another source gave the pipeline 'qa'" in log_lines


def test_a_start_without_a_directory_or_without_pipelines_is_fine(tmp_path: Path) -> None:
    assert restarted(tmp_path / "nowhere") == {}
    assert not (tmp_path / "nowhere").exists()
    assert restarted(tmp_path) == {}


def test_a_pipeline_of_the_users_is_loaded_in_place(pipelines: Path, write_pipeline: WritePipeline) -> None:
    shutil.rmtree(pipelines)
    directory = write_pipeline(
        "qa", "def run_api(self, value: int) -> list: from .late import V; return [V, __file__]", {"late.py": "V = 1"}
    )

    assert restarted(pipelines) == {"qa": [1, str(directory / WRAPPER)]}


def test_what_was_deployed_in_code_before_the_start_stays(pipelines: Path) -> None:
    write(pipelines, {"qa/pipeline_wrapper.py": code("disk"), "other/pipeline_wrapper.py": code("other")})
    app = Hayhooks(pipelines)
    app.deploy("qa", version("code"))
    start(app)

    assert {name: answer(app, name) for name in app.deployments} == {"qa": "code", "other": "other"}


def test_the_users_own_patterns_of_ignored_files_hold_for_saving(pipelines: Path, tmp_path: Path) -> None:
    write(tmp_path / "mine", {**version("v1"), "x.log": "", "y.pyc": ""})
    app = Hayhooks(pipelines, settings=Settings(files_to_ignore_patterns=["*.log"]))
    app.deploy("qa", tmp_path / "mine", save=True)

    assert sorted(tree(pipelines / "qa")) == [WRAPPER, "y.pyc"]


def leave_drafts(private: Path) -> None:
    """As a crash while a revision, a pointer or the stamp is written."""
    write(private / "revisions/qa/.draft-x", {WRAPPER: "half"})
    write(private / "revisions/new/.draft-y", {WRAPPER: "half"})
    (private / "revisions/qa/9-0123456789ab.json").write_text("{", encoding="utf-8")
    (private / "pointer-1").symlink_to("revisions/qa")
    (private / "stamp-1").touch()


def lose_facts(private: Path) -> None:
    for facts in (private / "revisions/bad").glob("*.json"):
        facts.unlink()


def break_facts(private: Path) -> None:
    for facts in (private / "revisions/bad").glob("*.json"):
        facts.write_text("[]", encoding="utf-8")


def lose_revision(private: Path) -> None:
    shutil.rmtree(private / "revisions/bad")


def lose_number(private: Path) -> None:
    (pointer := private.parent / "bad").unlink()
    (private / "revisions/bad/nonsense").mkdir()
    pointer.symlink_to(".hayhooks/revisions/bad/nonsense")


@pytest.mark.parametrize("damage", [leave_drafts, lose_facts, break_facts, lose_revision, lose_number])
def test_what_a_crash_leaves_harms_no_other_pipeline(pipelines: Path, damage: Callable[[Path], None]) -> None:
    app = Hayhooks(pipelines)
    app.deploy("qa", version("qa"), save=True)
    app.deploy("bad", version("bad"), save=True)
    damage(pipelines / ".hayhooks")

    started = restarted(pipelines)
    again = Hayhooks(pipelines)
    again.deploy("bad", version("new"), overwrite=True, save=True)
    again.deploy("qa", version("qa2"), overwrite=True, save=True)

    assert started == ({"qa": "qa"} if damage is lose_revision else {"bad": "bad", "qa": "qa"})
    assert restarted(pipelines) == {"bad": "new", "qa": "qa2"}


def test_a_lost_yaml_revision_is_reported(pipelines: Path, log_lines: list[str]) -> None:
    app = Hayhooks(pipelines)
    app.deploy("bad", DOUBLE, save=True)
    app.deploy("dir", version("x"), save=True)
    for name in ("bad", "dir"):
        shutil.rmtree(pipelines / ".hayhooks/revisions" / name)

    assert restarted(pipelines) == {}
    assert sorted(line.partition(":")[0] for line in log_lines if line.startswith("WARNING")) == [
        "WARNING Pipeline 'bad' is left out",
        "WARNING Pipeline 'dir' is left out",
    ]


def test_a_directory_that_cannot_be_read_leaves_the_others(pipelines: Path) -> None:
    write(pipelines, {"good.yml": DOUBLE})
    os.symlink("loop", pipelines / "loop")
    os.symlink("nowhere", pipelines / "dangling")

    assert list(restarted(pipelines)) == ["good"]


def test_what_fails_at_the_start_can_be_undeployed(tmp_path: Path) -> None:
    directory = tmp_path / "qa"
    directory.mkdir()
    (directory / "pipeline_wrapper.py").write_text("1 / 0\n")
    app = Hayhooks(tmp_path)
    with TestClient(app) as client:
        assert list(client.get("/status").json()["failures"]) == ["qa"]
        answer = client.post("/undeploy/qa")

        assert (answer.status_code, answer.json()) == (200, {"success": True, "name": "qa"})
        assert "failures" not in client.get("/status").json()
        assert client.post("/undeploy/qa").status_code == 404
    with TestClient(Hayhooks(tmp_path)) as client:
        assert "failures" not in client.get("/status").json()
