from __future__ import annotations

import threading
from collections.abc import Generator
from typing import Any

import pytest
from haystack import Pipeline, component
from haystack.components.generators.chat import MockChatGenerator
from starlette.testclient import TestClient

from hayhooks import BasePipelineWrapper, Hayhooks
from hayhooks.deploy.sources import FilesSource, Labels, YamlSource
from hayhooks.errors import PipelinePathError, PipelineWrapperError
from tests.conftest import wrapper_source
from tests.pipelines.generators import Silent, pipeline_of, wait_until, weather_agent

YAML = """
components:
  double: {type: haystack.testing.sample_components.double.Double, init_parameters: {}}
inputs: {value: double.value}
description: From the YAML.
"""


class Echo(BasePipelineWrapper):
    """Records what happens to it."""

    def __init__(self, pipeline: Any = None) -> None:
        self.given = pipeline
        self.happened: list[str] = []

    def setup(self) -> None:
        self.happened.append("setup")
        self.pipeline = self.given

    def run_api(self, word: str = "") -> str:
        """Say it again.

        At length.
        """
        return word

    def teardown(self) -> None:
        self.happened.append(f"teardown in {threading.current_thread().name}")


def warnings(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("WARNING")]


class MyPipeline(Pipeline):
    """A subclass, as users write them."""


class Agent:
    """A class of the user's own that happens to have this name."""


@pytest.mark.parametrize(
    ("pipeline", "hint", "expected"),
    [
        pytest.param(None, None, "unknown", id="none"),
        pytest.param(Pipeline(), None, "pipeline", id="pipeline"),
        pytest.param(MyPipeline(), None, "pipeline", id="subclass"),
        pytest.param(weather_agent(MockChatGenerator("x")), None, "agent", id="agent"),
        pytest.param("text", None, "unknown", id="text"),
        pytest.param(Agent(), None, "unknown", id="class-of-that-name"),
        pytest.param(Pipeline(), "agent", "agent", id="hint"),
        pytest.param(Pipeline(), "unknown", "unknown", id="hint-unknown"),
    ],
)
def test_the_type_is_the_hint_or_what_the_pipeline_is(pipeline: Any, hint: str | None, expected: str) -> None:
    class Hinted(Echo):
        deployment_type = hint

    assert Hayhooks().deploy("qa", Hinted(pipeline)).type == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param(Echo(), "Say it again.", id="docstring"),
        pytest.param(FilesSource({"pipeline_wrapper.py": b""}), "", id="no-docstring"),
        pytest.param(FilesSource({"pipeline_wrapper.py": b""}, Labels("Given.")), "Given.", id="given"),
        pytest.param(YamlSource(YAML), "From the YAML.", id="yaml"),
        pytest.param(YamlSource(YAML, Labels("Given.")), "Given.", id="given-for-yaml"),
    ],
)
def test_a_deployment_is_described_by_what_is_given_or_written(source: Any, expected: str) -> None:
    if isinstance(source, FilesSource):
        code = wrapper_source("def run_chat_completion(self, model, messages, body) -> str: return ''")
        source = FilesSource({"pipeline_wrapper.py": code.encode()}, source.labels)

    assert Hayhooks().deploy("qa", source).description == expected


@pytest.mark.parametrize(
    ("attribute", "label", "expected"), [(True, None, True), (True, False, False), (False, True, True)]
)
def test_the_label_decides_over_the_attribute_whether_mcp_skips_it(
    attribute: bool, label: bool | None, expected: bool
) -> None:
    code = wrapper_source(f"skip_mcp = {attribute}\ndef run_api(self) -> str: return ''").encode()

    deployment = Hayhooks().deploy("qa", FilesSource({"pipeline_wrapper.py": code}, Labels(skip_mcp=label)))

    assert deployment.skips_mcp is expected


def test_setup_runs_once_per_deploy_in_a_thread_and_never_on_the_event_loop(app: Hayhooks) -> None:
    source = wrapper_source(
        """
        def setup(self):
            import threading
            self.calls = getattr(self, "calls", []) + [threading.current_thread().name.partition("-")[0]]
        def run_api(self) -> list: return self.calls
        """
    )
    with TestClient(app) as client:
        client.post("/deploy_files", json={"name": "qa", "files": {"pipeline_wrapper.py": source}})

        assert client.post("/qa/run", json={}).json() == {"result": ["hayhooks"]}


def test_an_async_setup_is_refused(app: Hayhooks) -> None:
    source = wrapper_source("async def setup(self): self.ready = True\ndef run_api(self) -> bool: return self.ready")

    with pytest.raises(PipelineWrapperError, match=r"setup\(\)"):
        app.deploy("qa", {"pipeline_wrapper.py": source})


@pytest.mark.parametrize("end", ["undeploy", "redeploy", "shutdown"])
def test_a_deployment_that_ends_is_torn_down_and_its_pipeline_closed(end: str) -> None:
    wrapper, app = Echo(Closing()), Hayhooks()
    with TestClient(app):
        app.deploy("qa", wrapper)
        if end == "undeploy":
            app.undeploy("qa")
        elif end == "redeploy":
            app.deploy("qa", Echo(), overwrite=True)

    assert [happened.partition(" ")[0] for happened in wrapper.happened] == ["setup", "teardown"]
    assert wrapper.given.closed == 1


class Closing:
    """A pipeline that counts how often it is closed."""

    closed = 0

    def close(self) -> None:
        self.closed += 1


def test_a_run_keeps_its_deployment_until_its_end() -> None:
    gate = threading.Event()

    class Slow(Echo):
        def run_chat_completion(self, model: str, messages: Any, body: Any) -> Generator[str, None, None]:
            yield "first "
            assert gate.wait(10)
            yield "last"

    app, wrapper = Hayhooks(), Slow()
    deployment = app.deploy("qa", wrapper)
    answers: list[Any] = []

    def chat() -> None:
        answer = TestClient(app).post("/qa/chat", json={"messages": []})
        answers.append(answer.json()["choices"][0]["message"]["content"])

    thread = threading.Thread(target=chat)
    thread.start()
    wait_until(lambda: deployment.runs.current)
    app.undeploy("qa")
    happened = list(wrapper.happened)
    gate.set()
    thread.join(10)
    wait_until(lambda: len(wrapper.happened) == 2)

    assert (happened, answers) == (["setup"], ["first last"])
    # The last run ends on the event loop, where a slow end would stop everything.
    assert wrapper.happened[1] == "teardown in hayhooks-close"


@pytest.mark.parametrize("method", ["teardown", "close"])
def test_a_deployment_ends_although_its_user_code_fails(log_lines: list[str], method: str) -> None:
    class Broken(Echo):
        def teardown(self) -> None:
            super().teardown()
            if method == "teardown":
                raise ZeroDivisionError

    class BrokenClosing(Closing):
        def close(self) -> None:
            super().close()
            if method == "close":
                raise ZeroDivisionError

    app, wrapper = Hayhooks(), Broken(BrokenClosing())
    app.deploy("qa", wrapper)
    app.undeploy("qa")

    wait_until(lambda: warnings(log_lines) and wrapper.given.closed)
    assert (len(wrapper.happened), wrapper.given.closed, dict(app.deployments)) == (2, 1, {})
    assert warnings(log_lines) == [f"WARNING {method}() of pipeline 'qa' failed: ZeroDivisionError"]


def test_an_attribute_that_cannot_be_called_is_not_called() -> None:
    wrapper = Echo(Silent())
    wrapper.teardown = None  # type: ignore[method-assign, assignment]
    app = Hayhooks()
    app.deploy("qa", wrapper)

    app.undeploy("qa")

    assert wrapper.happened == ["setup"]


def test_heavy_components_are_loaded_at_deploy_and_not_by_the_first_run() -> None:
    @component
    class Heavy:
        loaded_in: str | None = None

        def warm_up(self) -> None:
            self.loaded_in = self.loaded_in or threading.current_thread().name

        @component.output_types(place=str)
        def run(self) -> dict[str, Any]:
            return {"place": self.loaded_in}

    class Running(Echo):
        async def run_api_async(self) -> dict[str, Any]:
            result: dict[str, Any] = await self.pipeline.run_async({})
            return result

    app = Hayhooks()
    app.deploy("qa", Running(pipeline_of(heavy=Heavy())))

    assert TestClient(app).post("/qa/run", json={}).json() == {"result": {"heavy": {"place": "hayhooks-build"}}}


def test_a_pipeline_that_cannot_be_warmed_up_is_deployed_all_the_same(log_lines: list[str]) -> None:
    class Cold:
        def warm_up(self) -> None:
            raise ValueError("no API key")

    app = Hayhooks()
    app.deploy("qa", Echo(Cold()))

    assert TestClient(app).post("/qa/run", json={"word": "a"}).json() == {"result": "a"}
    assert warnings(log_lines) == ["WARNING Pipeline 'qa' is deployed, but could not be warmed up: no API key"]


def test_a_pipeline_whose_name_is_refused_is_torn_down() -> None:
    wrapper = Echo(Closing())

    with pytest.raises(PipelinePathError):
        Hayhooks().deploy("undeploy", wrapper)

    assert [happened.partition(" ")[0] for happened in wrapper.happened] == ["setup", "teardown"]
    assert wrapper.given.closed == 1


def test_a_pipeline_that_was_set_up_but_is_refused_is_torn_down() -> None:
    class Unservable(Echo):
        run_api = None  # type: ignore[assignment]

    wrapper = Unservable(Closing())

    with pytest.raises(PipelineWrapperError):
        Hayhooks().deploy("qa", wrapper)

    assert [happened.partition(" ")[0] for happened in wrapper.happened] == ["setup", "teardown"]
    assert wrapper.given.closed == 1


def test_what_is_wrong_with_a_deploy_is_in_the_log_too(app: Hayhooks, log_lines: list[str]) -> None:
    with pytest.raises(PipelineWrapperError):
        app.deploy(
            "qa", {"pipeline_wrapper.py": wrapper_source("def setup(self): 1 / 0\ndef run_api(self) -> int: return 1")}
        )

    reason = "Failed to call setup() on pipeline wrapper instance: division by zero"
    assert log_lines == [f"WARNING Pipeline 'qa' cannot be deployed: {reason}", "INFO Audit"]
