"""The commands that list, compare, fetch and bring back saved revisions."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hayhooks import BasePipelineWrapper, Hayhooks
from hayhooks.deploy.sources import FilesSource, Labels
from tests.cli.conftest import Done
from tests.conftest import wrapper_source
from tests.deploy.disk import write
from tests.scripted_server import Answer, scripted_server
from tests.servers import served

Run = Callable[..., Done]


class Plain(BasePipelineWrapper):
    def setup(self) -> None: ...

    def run_api(self) -> str:
        """Say something."""
        return "said"


@pytest.fixture
def hooks(tmp_path: Path) -> Iterator[Hayhooks]:
    yield Hayhooks(tmp_path / "pipelines")


@pytest.fixture
def run(hooks: Hayhooks, hayhooks: Run) -> Iterator[Run]:
    """Run a command of `hayhooks pipeline` against the server of `hooks`."""
    with served(hooks) as url:
        yield lambda *arguments: hayhooks("pipeline", *arguments, "--url", url)


def version(text: str, **more: str | bytes) -> dict[str, str | bytes]:
    source = wrapper_source(f'def run_api(self) -> str:\n    """Say {text}."""\n    return {text!r}')
    return {"pipeline_wrapper.py": source, **more}


def save(hooks: Hayhooks, *versions: dict[str, Any], **more: Any) -> None:
    for files in versions:
        hooks.deploy("qa", files, overwrite=True, save=True, **more)


def ok(out: str = "", err: str = "") -> Done:
    return Done(0, out, err)


def failed(message: str) -> Done:
    return Done(1, "", f"Error: {message}\n")


def test_pipelines_are_listed_as_a_table_or_as_json(hooks: Hayhooks, run: Run) -> None:
    assert run("list") == ok("", "Warning: no pipelines are deployed.\n")
    save(hooks, version("v1"), version("v2"))
    hooks.deploy("plain", Plain())

    assert run("list") == ok(
        "NAME   REVISION  OFFERS                 DESCRIPTION\n"
        "qa     2         run_api, mcp_eligible  Say v2.\n"
        "plain            run_api, mcp_eligible  Say something.\n"
    )
    assert [item["revision"] for item in json.loads(run("list", "--json").out)] == [2, None]


def test_undeployed_pipelines_are_listed_with_all(hooks: Hayhooks, run: Run) -> None:
    save(hooks, version("v1"))
    hooks.undeploy("qa")
    hooks.deploy("plain", Plain())

    assert "qa" not in run("list").out
    assert run("list", "--all") == ok(
        "NAME   REVISION    OFFERS                 DESCRIPTION\n"
        "plain              run_api, mcp_eligible  Say something.\n"
        "qa     undeployed\n"
    )


def test_one_pipeline_is_shown_with_what_is_known_of_it(hooks: Hayhooks, run: Run) -> None:
    save(hooks, version("v1"))

    assert run("show", "qa") == ok(
        "name            qa\n"
        "type            unknown\n"
        "execution_mode  request-bound\n"
        "state           Loaded\n"
        "description     Say v1.\n"
        "capabilities    run_api, mcp_eligible\n"
        "revision        1\n"
        "endpoints       /qa/run, /qa/chat/completions, /qa/chat, /qa/schema, /qa/example\n"
        "limits          max_queue 100\n"
        "load            running 0, queued 0\n"
    )
    assert [entry["revision"] for entry in json.loads(run("show", "qa", "--json").out)["revisions"]] == [1]
    hooks.undeploy("qa")
    assert run("show", "qa") == ok("name   qa\nstate  Undeployed\n")


def test_the_history_of_a_pipeline_is_a_table(hooks: Hayhooks, run: Run) -> None:
    save(hooks, version("v1"))
    save(hooks, version("v2"), message="Second\nwith a line more", author="ci")
    listed = json.loads(run("history", "qa", "--json").out)
    moments = [time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry["published"])) for entry in listed]
    sizes = [str(entry["size"]) for entry in listed]

    assert run("history", "qa") == ok(
        "   REVISION  DEPLOYED             BYTES  BY  MESSAGE\n"
        f"*  2         {moments[0]}  {sizes[0]}    ci  Second\n"
        f"   1         {moments[1]}  {sizes[1]}\n"
    )
    hooks.deploy("plain", Plain())
    assert run("history", "plain") == ok("", "Warning: 'plain' has no saved revisions.\n")


def test_a_deploy_says_its_revision_and_keeps_its_message(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "qa", {"pipeline_wrapper.py": str(version("v1")["pipeline_wrapper.py"])})
    deploy = ("deploy-files", "qa", "--overwrite")

    assert run(*deploy, "-m", "Größe\n2") == ok("", "Pipeline 'qa' is deployed, revision 1.\n")
    assert run(*deploy, "--if-revision", "1") == ok("", "Pipeline 'qa' is deployed, revision 1.\n")
    assert [entry["message"] for entry in json.loads(run("history", "qa", "-j").out)] == ["Größe\n2"]
    assert run(*deploy, "-s") == ok("", "Pipeline 'qa' is deployed.\n")


def test_a_deploy_that_expects_another_revision_is_refused(hooks: Hayhooks, run: Run, tmp_path: Path) -> None:
    write(tmp_path / "qa", {"pipeline_wrapper.py": str(version("v3")["pipeline_wrapper.py"])})
    save(hooks, version("v1"), version("v2"))
    deploy = ("deploy-files", "qa", "--if-revision")

    assert run(*deploy, "1") == failed("Pipeline 'qa' is at revision 2, not at revision 1 (HTTP 409)")
    assert run(*deploy, "0") == failed("Pipeline 'qa' already exists (HTTP 409)")
    assert run(*deploy, "-1").code == 2
    assert run(*deploy, "2") == ok("", "Pipeline 'qa' is deployed, revision 3.\n")


def test_a_rollback_and_an_undeploy_that_expect_another_revision_are_refused(hooks: Hayhooks, run: Run) -> None:
    save(hooks, version("v1"), version("v2"))
    refused = failed("Pipeline 'qa' is at revision 2, not at revision 1 (HTTP 409)")

    assert run("rollback", "qa", "--if-revision", "1") == refused
    assert run("undeploy", "qa", "--if-revision", "1") == refused
    assert run("undeploy", "qa", "--if-revision", "0").code == 2
    assert run("rollback", "qa", "--if-revision", "2") == ok("", "Pipeline 'qa' is back at revision 1.\n")
    assert run("undeploy", "qa", "--if-revision", "1") == ok("", "Pipeline 'qa' is undeployed.\n")
    assert run("rollback", "qa", "2", "--if-revision", "0") == ok("", "Pipeline 'qa' is back at revision 2.\n")


def test_a_rollback_says_where_it_is(hooks: Hayhooks, run: Run) -> None:
    save(hooks, version("v1"), version("v2"), version("v3"))

    assert run("rollback", "qa") == ok("", "Pipeline 'qa' is back at revision 2.\n")
    assert run("rollback", "qa", "1") == ok("", "Pipeline 'qa' is back at revision 1.\n")
    assert run("rollback", "qa", "7") == failed("Pipeline 'qa' has no revision 7 (HTTP 404)")
    assert run("rollback", "nope") == failed("Pipeline 'nope' not found (HTTP 404)")
    assert run("rollback", "qa", "x").code == 2


def test_workers_that_do_not_follow_are_named(hayhooks: Run) -> None:
    answer = {"name": "qa", "success": True, "endpoint": "/qa/run", "revision": 1, "not_served_by": {"a:1": "It hangs"}}
    with scripted_server() as server:
        server.answers = [Answer(body=json.dumps(answer).encode())]
        done = hayhooks("pipeline", "rollback", "qa", "--url", server.url)

    assert done == ok("", "Pipeline 'qa' is back at revision 1.\nWarning: not served by a:1: It hangs\n")


BEFORE: dict[str, str | bytes] = {
    "a.txt": "one\ntwo\nthree\n",
    "gone.txt": "x\n",
    "same.bin": b"\xff",
    "data.bin": b"\xff\x00",
}
AFTER: dict[str, str | bytes] = {
    "a.txt": "one\n2\nthree\n",
    "new.txt": "y\n",
    "same.bin": b"\xff",
    "data.bin": b"\xff\x01",
}


def test_a_difference_shows_changed_new_missing_and_binary_files(hooks: Hayhooks, run: Run) -> None:
    save(hooks, version("v", **BEFORE), version("v", **AFTER))

    shown = ok(
        "--- 1/a.txt\n+++ 2/a.txt\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n"
        "Binary file data.bin differs\n"
        "--- 1/gone.txt\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n"
        "--- /dev/null\n+++ 2/new.txt\n@@ -0,0 +1 @@\n+y\n"
    )
    assert [run("diff", "qa"), run("diff", "qa", "1"), run("diff", "qa", "1", "2")] == [shown] * 3
    assert run("diff", "qa", "2", "1").out.splitlines()[:2] == ["--- 2/a.txt", "+++ 1/a.txt"]
    assert run("diff", "qa", "2", "2") == ok("", "No difference.\n")


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        pytest.param("x", "x\n", "@@ -1 +1 @@\n-x\n\\ No newline at end of file\n+x\n", id="line-end-at-the-end"),
        pytest.param("a\r\nb\n", "a\nb\n", "@@ -1,2 +1,2 @@\n-a\r\n+a\n b\n", id="kinds-of-line-ends"),
        pytest.param("a\x0bb\n", "a\x0cb\n", "@@ -1 +1 @@\n-a\x0bb\n+a\x0cb\n", id="other-separators"),
        pytest.param("", "x\n", "@@ -0,0 +1 @@\n+x\n", id="empty-before"),
    ],
)
def test_a_difference_of_no_more_than_line_ends_is_shown(
    hooks: Hayhooks, run: Run, old: str, new: str, shown: str
) -> None:
    save(hooks, version("v", a=old), version("v", a=new))

    assert run("diff", "qa") == ok(f"--- 1/a\n+++ 2/a\n{shown}")


def test_an_empty_file_that_is_new_is_a_difference(hooks: Hayhooks, run: Run) -> None:
    save(hooks, version("v"), version("v", empty=""))

    assert run("diff", "qa") == ok("--- /dev/null\n+++ 2/empty\n")


def deploy_preset(hooks: Hayhooks, *presets: dict[str, Any]) -> None:
    for params in presets:
        source = FilesSource({path: str(text).encode() for path, text in version("v").items()}, Labels(params=params))
        hooks.deploy("qa", source, save=True, overwrite=True)


def test_a_difference_of_presets_is_shown_and_of_secrets_that_there_is_one(hooks: Hayhooks, run: Run) -> None:
    deploy_preset(hooks, {"a": 1, "api_key": "x"}, {"a": 2, "api_key": "x"}, {"a": 2, "api_key": "y"})

    assert run("diff", "qa", "1", "2") == ok(
        "--- 1/(description and preset)\n+++ 2/(description and preset)\n@@ -1,6 +1,6 @@\n"
        ' {\n   "params": {\n-    "a": 1,\n+    "a": 2,\n     "api_key": "**********"\n   }\n }\n'
    )
    assert run("diff", "qa", "2", "3") == ok(
        "", "No difference in the files, but in what was said at the deploys, as a secret of the preset.\n"
    )


def test_a_pull_writes_the_preset_with_its_secrets_masked(hooks: Hayhooks, run: Run, tmp_path: Path) -> None:
    deploy_preset(hooks, {"a": 1, "api_key": "x"})

    assert run("pull", "qa", "out") == ok(
        "",
        "Revision 1 of 'qa': 1 file in 'out'.\nWarning: it was deployed with a preset, which --params=<file> writes.\n",
    )
    assert run("pull", "qa", "again", "--params", "p.json").code == 0
    assert json.loads((tmp_path / "p.json").read_text()) == {"a": 1, "api_key": "**********"}
    assert [path.name for path in (tmp_path / "again").iterdir()] == ["pipeline_wrapper.py"]

    deploy = ("deploy", "again", "--name", "qa", "--overwrite", "--params", "p.json")
    assert "'api_key' is **********, which stands for a secret" in run(*deploy).err
    assert run(*deploy, "--set", "api_key=x") == ok("", "Pipeline 'qa' is deployed, revision 1.\n")


def test_a_pull_of_a_preset_that_is_not_there_is_told(hooks: Hayhooks, run: Run, tmp_path: Path) -> None:
    save(hooks, version("v"))

    assert run("pull", "qa", "out", "--params", "p.json").err.splitlines()[1:] == [
        "Warning: it was deployed without a preset: 'p.json' is not written."
    ]
    assert not (tmp_path / "p.json").exists()


def test_what_cannot_be_compared_is_said(hooks: Hayhooks, run: Run) -> None:
    save(hooks, version("v1"))

    assert run("diff", "qa") == failed("'qa' has no revision before 1.")
    assert run("diff", "qa", "1", "9") == failed("Pipeline 'qa' has no revision 9 (HTTP 404)")
    assert run("diff", "nope") == failed("Pipeline 'nope' not found (HTTP 404)")
    hooks.undeploy("qa")
    assert run("diff", "qa") == failed("No saved revision of 'qa' is served: give two numbers.")


def test_a_pull_writes_all_files_as_they_were_deployed(hooks: Hayhooks, run: Run, tmp_path: Path) -> None:
    files = version("v1é", empty="", crlf="a\r\n") | {"deep/b.bin": b"\xff\x00\r\n", ".hidden/.x": "h"}
    save(hooks, files, version("v2"))

    assert run("pull", "qa", "out", "--revision", "1") == ok("", "Revision 1 of 'qa': 5 files in 'out'.\n")
    pulled = {
        path.relative_to(tmp_path / "out").as_posix(): path.read_bytes()
        for path in (tmp_path / "out").rglob("*")
        if path.is_file()
    }
    assert pulled == {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
    assert run("pull", "qa", "current") == ok("", "Revision 2 of 'qa': 1 file in 'current'.\n")


def test_a_pull_writes_into_what_is_there_only_when_forced(hooks: Hayhooks, run: Run, tmp_path: Path) -> None:
    save(hooks, version("v1"))
    write(tmp_path / "out", {"mine.txt": "mine", "pipeline_wrapper.py": "old"})
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()

    for place in ("out", "file"):
        assert run("pull", "qa", place) == failed(f"{place!r} is there already: pass --force to write into it.")
    assert run("pull", "qa", "empty").code == 0
    assert run("pull", "qa", "out", "--force").code == 0
    assert (tmp_path / "out/mine.txt").read_text() == "mine"
    assert (tmp_path / "out/pipeline_wrapper.py").read_text() == version("v1")["pipeline_wrapper.py"]


def test_a_pull_of_what_is_not_saved_or_not_served_is_refused(hooks: Hayhooks, run: Run) -> None:
    hooks.deploy("plain", Plain())

    assert run("pull", "plain", "out") == failed(
        "No saved revision of 'plain' is served; `hayhooks pipeline history` lists those there are."
    )
    assert run("pull", "nope", "out") == failed("Pipeline 'nope' not found (HTTP 404)")


@pytest.mark.parametrize("path", ["../out.txt", "a/../../b", "/etc/x", "C:x", "..\\x", "", "a\0b", "a//b"])
def test_a_server_cannot_write_outside_of_the_directory(tmp_path: Path, hayhooks: Run, path: str) -> None:
    with scripted_server() as server:
        server.answers = [Answer(body=json.dumps({"files": {"ok.txt": "x", path: "x"}}).encode())]
        done = hayhooks("pipeline", "pull", "qa", "out", "-r", "1", "--url", server.url)

    assert (done.code, done.out, done.err.startswith("Error: Pipeline file must be a relative path")) == (1, "", True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "body",
    ["{}", '{"files": []}', '{"files": {"a": 1}}', '{"files": {"a": {"base64": "%"}}}', '{"files": {"a": {}}}', "[]"],
)
def test_an_answer_that_is_no_revision_is_said_to_be_none(hayhooks: Run, body: str) -> None:
    with scripted_server() as server:
        server.answers = [Answer(body=body.encode())]
        done = hayhooks("pipeline", "pull", "qa", "out", "-r", "1", "--url", server.url)

    assert done == failed(f"{server.url} answers, but not as a Hayhooks server does.")


def test_files_that_exclude_each_other_are_one_line(hayhooks: Run) -> None:
    with scripted_server() as server:
        server.answers = [Answer(body=json.dumps({"files": {"a": "x", "a/b": "x"}}).encode())]
        done = hayhooks("pipeline", "pull", "qa", "out", "-r", "1", "--url", server.url)

    assert (done.code, done.out, len(done.err.splitlines())) == (1, "", 1)
