from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import SERVED, Done
from tests.scripted_server import Answer, scripted_server

YAML = """
components:
  prompt:
    type: haystack.components.builders.prompt_builder.PromptBuilder
    init_parameters: {template: "Hello {{name}}", required_variables: ["name"]}
connections: []
inputs: {name: prompt.name}
outputs: {prompt: prompt.prompt}
"""


def write_wrapper(folder: Path, answer: str = "'first'") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pipeline_wrapper.py").write_text(
        "from hayhooks import BasePipelineWrapper\n"
        "from pathlib import Path\n"
        "class PipelineWrapper(BasePipelineWrapper):\n"
        "    def setup(self) -> None:\n"
        "        self.pipeline = None\n"
        "    def run_api(self) -> object:\n"
        f"        return {answer}\n"
    )
    return folder


def test_a_directory_is_deployed_run_and_undeployed(
    server: str, tmp_path: Path, hayhooks_process: Callable[..., Done]
) -> None:
    write_wrapper(tmp_path / "round trip é", "(Path(__file__).parent / 'data' / 'b.bin').read_bytes().hex()")
    (tmp_path / "round trip é" / "data").mkdir()
    (tmp_path / "round trip é" / "data" / "b.bin").write_bytes(b"\xff\x00\r\n")

    def call(*arguments: str) -> Done:
        return hayhooks_process("pipeline", *arguments, HAYHOOKS_URL=server)

    assert call("deploy-files", "round trip é") == Done(0, "", "Pipeline 'round trip é' is deployed, revision 1.\n")
    assert call("run", "round trip é") == Done(0, "ff000d0a\n", "")
    assert call("undeploy", "round trip é") == Done(0, "", "Pipeline 'round trip é' is undeployed.\n")
    assert call("run", "round trip é").code == 1


def test_a_deployed_pipeline_is_replaced_only_when_told(
    server: str, tmp_path: Path, hayhooks: Callable[..., Done]
) -> None:
    deploy = ("pipeline", "deploy-files", "replaced", "--url", server)
    write_wrapper(tmp_path / "replaced")
    assert hayhooks(*deploy).code == 0
    write_wrapper(tmp_path / "replaced", "'second'")

    assert hayhooks(*deploy) == Done(
        1, "", "Error: Pipeline 'replaced' already exists (HTTP 409): pass --overwrite to replace it.\n"
    )
    assert hayhooks("pipeline", "run", "replaced", "--url", server).out == "first\n"
    assert hayhooks(*deploy, "--overwrite").code == 0
    assert hayhooks("pipeline", "run", "replaced", "--url", server).out == "second\n"


def test_yaml_is_deployed_under_the_name_of_its_file(
    server: str, tmp_path: Path, hayhooks: Callable[..., Done]
) -> None:
    (tmp_path / "greeting.yml").write_text(YAML)

    assert hayhooks("pipeline", "deploy-yaml", "greeting.yml", "--url", server).code == 0

    done = hayhooks("pipeline", "run", "greeting", "-p", "name=Ada", "--url", server)
    assert json.loads(done.out) == {"prompt": {"prompt": "Hello Ada"}}


def test_a_refused_deployment_says_why(server: str, tmp_path: Path, hayhooks: Callable[..., Done]) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "pipeline_wrapper.py").write_text("import missing_module\n")

    done = hayhooks("pipeline", "deploy-files", "bad", "--url", server)

    assert (done.code, done.out) == (1, "")
    assert "No module named 'missing_module'" in done.err
    assert done.err.splitlines()[0].startswith("Error: ")


@pytest.mark.parametrize(
    ("command", "body"),
    [
        pytest.param(
            ["deploy-files", "-n", "x", "-o", "-s", "--description", "d", "--skip-mcp", "files"],
            {"name": "x", "overwrite": True, "save_files": False, "description": "d", "skip_mcp": True},
            id="files",
        ),
        pytest.param(
            ["deploy-yaml", "-n", "x", "-o", "--no-save-file", "--description", "d", "--skip-mcp", "a.yml"],
            {"name": "x", "overwrite": True, "save_file": False, "description": "d", "skip_mcp": True},
            id="yaml",
        ),
        pytest.param(
            ["deploy", "-o", "-s", "--description", "d", "--skip-mcp", "files"],
            {"name": "files", "overwrite": True, "save_files": False, "description": "d", "skip_mcp": True},
            id="either-a-directory",
        ),
        pytest.param(
            ["deploy", "-s", "a.yml"], {"name": "a", "overwrite": False, "save_file": False}, id="either-a-file"
        ),
        pytest.param(["deploy", "a.yml"], {"name": "a", "overwrite": False, "save_file": True}, id="defaults"),
    ],
)
def test_options_become_fields_of_the_request(
    tmp_path: Path, hayhooks: Callable[..., Done], command: list[str], body: dict[str, object]
) -> None:
    write_wrapper(tmp_path / "files")
    (tmp_path / "a.yml").write_text(YAML)
    with scripted_server() as server:
        assert hayhooks("pipeline", *command, "--url", server.url).code == 0

    [asked] = server.asked
    sent = asked.json
    assert sent.pop("source_code", YAML) == YAML
    assert [*sent.pop("files", {"pipeline_wrapper.py": ""})] == ["pipeline_wrapper.py"]
    assert sent == body


@pytest.mark.parametrize(
    ("present", "path"),
    [
        (["pipelines/qa.yml", "pipelines/qa.yaml"], "/deploy"),
        (["pipelines/qa.yaml", "pipelines/qa/pipeline_wrapper.py"], "/deploy"),
        (["pipelines/qa/pipeline_wrapper.py"], "/deploy_files"),
        (["qa/pipeline_wrapper.py", "pipelines/qa.yml"], "/deploy_files"),
    ],
)
def test_a_bare_name_is_looked_for_in_the_pipelines_directory(
    tmp_path: Path, hayhooks: Callable[..., Done], present: list[str], path: str
) -> None:
    for file in present:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("")
    with scripted_server() as server:
        assert hayhooks("pipeline", "deploy", "qa", "--url", server.url).code == 0
    assert [(asked.path, asked.json["name"]) for asked in server.asked] == [(path, "qa")]


def test_the_pipelines_directory_is_a_setting(tmp_path: Path, hayhooks: Callable[..., Done]) -> None:
    (tmp_path / ".env").write_text("HAYHOOKS_PIPELINES_DIR=elsewhere\n")
    write_wrapper(tmp_path / "elsewhere" / "qa")
    with scripted_server() as server:
        assert hayhooks("pipeline", "deploy", "qa", "--url", server.url).code == 0


def test_yaml_without_inputs_is_deployed_as_in_version_01(
    server: str, tmp_path: Path, hayhooks: Callable[..., Done]
) -> None:
    (tmp_path / "old.yml").write_text(YAML.partition("inputs:")[0])

    assert hayhooks("pipeline", "deploy", "old.yml", "--url", server).code == 0

    done = hayhooks("pipeline", "run", "old", "-p", "name=Ada", "--url", server)
    assert json.loads(done.out) == {"prompt": {"prompt": "Hello Ada"}}
    refused = hayhooks("pipeline", "deploy-yaml", "old.yml", "-n", "other", "--url", server)
    assert refused == Done(
        1, "", "Error: YAML pipeline must declare at least one of 'inputs' or 'outputs'. (HTTP 422)\n"
    )


@pytest.mark.parametrize("command", ["deploy", "deploy-yaml"])
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            YAML.replace("name: prompt.name", "name: prompt.nmae"),
            "The input 'name' points to 'prompt.nmae', which the pipeline does not have; did you mean 'prompt.name'?",
        ),
        ("a: [1\nb: 2", "The YAML cannot be read at line 2, column 2: expected ',' or ']', but got ':'"),
    ],
    ids=["input", "syntax"],
)
def test_what_is_wrong_in_a_yaml_is_told_in_the_words_of_the_server(
    server: str, tmp_path: Path, hayhooks: Callable[..., Done], command: str, text: str, sentence: str
) -> None:
    (tmp_path / "wrong.yml").write_text(text)

    done = hayhooks("pipeline", command, "wrong.yml", "--url", server)

    assert done == Done(1, "", f"Error: {sentence} (HTTP 422)\n")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("deploy-files nope", "There is no directory 'nope'."),
        ("deploy-files latin1.yml", "There is no directory 'latin1.yml'."),
        ("deploy-files empty", "The directory 'empty' holds no pipeline_wrapper.py."),
        ("deploy empty", "The directory 'empty' holds no pipeline_wrapper.py."),
        ("deploy-yaml nope.yml", "There is no file 'nope.yml'."),
        ("deploy-yaml empty", "There is no file 'empty'."),
        ("deploy-yaml latin1.yml", "The file 'latin1.yml' is not UTF-8 text."),
        (
            "deploy nope",
            "There is no file or directory 'nope', and no nope.yml, nope.yaml or nope in 'pipelines'.",
        ),
        ("run qa --file nope", "There is no file 'nope'."),
        ("run qa --dir nope", "There is no directory 'nope'."),
        ("run qa --dir empty", "There are no files in 'empty'."),
        ("run qa --json @nope", "The inputs in 'nope' cannot be read: No such file or directory."),
    ],
)
def test_what_is_not_there_is_told_before_any_request(
    tmp_path: Path, hayhooks: Callable[..., Done], command: str, message: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".hidden").touch()
    (tmp_path / "latin1.yml").write_bytes(b"# \xe9")
    with scripted_server() as server:
        done = hayhooks("pipeline", *command.split(), "--url", server.url)
    assert (done, server.asked) == (Done(1, "", f"Error: {message}\n"), [])


def test_an_undeployed_pipeline_is_an_error_unless_forced(server: str, hayhooks: Callable[..., Done]) -> None:
    undeploy = ("pipeline", "undeploy", "nope", "--url", server)
    assert hayhooks(*undeploy) == Done(1, "", "Error: Pipeline 'nope' not found (HTTP 404)\n")
    assert hayhooks(*undeploy, "--force") == Done(0, "", "Pipeline 'nope' is not deployed.\n")


def test_force_hides_no_other_refusal(hayhooks: Callable[..., Done]) -> None:
    with scripted_server() as server:
        server.answers = [Answer(403, b'{"detail": "Invalid API key"}')]
        done = hayhooks("pipeline", "undeploy", "-f", "qa", "--url", server.url)
    assert done == Done(1, "", "Error: Invalid API key (HTTP 403)\n")


def test_the_served_pipelines_of_these_tests_are_all_up(server: str, hayhooks: Callable[..., Done]) -> None:
    listed = hayhooks("status", "--url", server).out
    assert set(os.listdir(SERVED)) - {"__pycache__"} <= {line.split()[0] for line in listed.splitlines()}
