"""Usage as real generators and agents report it: they talk to an OpenAI-compatible server on loopback."""

from __future__ import annotations

from typing import Any

import pytest
from haystack import Pipeline, component
from haystack.components.agents import Agent
from haystack.components.generators.chat import MockChatGenerator
from haystack.dataclasses import ChatMessage, StreamingChunk
from haystack.tools import tool
from starlette.testclient import TestClient

from hayhooks import Hayhooks, streaming_generator
from hayhooks.pipelines.tokens import TokenMeter
from tests.openai.answering import JSON, Answers, chat, create_response, returns, stream_chat, stream_response, streams
from tests.openai.metering import (
    ASKED,
    TWO,
    Serve,
    chat_usage,
    generator,
    two_llms,
    usage_of,
    user,
    without_details,
)
from tests.openai_server import OpenAIServer
from tests.pipelines.generators import PlainGenerator


def one_llm(provider: OpenAIServer) -> Pipeline:
    pipeline = Pipeline()
    pipeline.add_component("llm", generator(provider))
    return pipeline


@pytest.mark.parametrize("is_async", [False, True])
def test_usage_is_streamed_if_it_is_asked_for(
    client: TestClient, serve: Serve, provider: OpenAIServer, is_async: bool
) -> None:
    serve(one_llm(provider), {"llm": {"messages": user("one two")}}, is_async=is_async)

    assert usage_of(client, **ASKED) == chat_usage(2, 3)
    assert provider.requests[-1]["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"stream_options": None},
        {"stream_options": {}},
        {"stream_options": {"include_usage": False}},
        {"stream_options": "yes"},
    ],
    ids=str,
)
def test_usage_is_not_streamed_if_it_is_not_asked_for(
    client: TestClient, serve: Serve, provider: OpenAIServer, body: JSON
) -> None:
    serve(one_llm(provider), {"llm": {"messages": user("one two")}})

    assert usage_of(client, **body) is None
    assert "stream_options" not in provider.requests[-1]


def test_options_of_the_wrapper_stay_where_usage_is_asked_for(
    client: TestClient, serve: Serve, provider: OpenAIServer
) -> None:
    options = {"temperature": 0.5, "stream_options": {"include_obfuscation": False}}
    arguments = {"llm": {"messages": user("one two"), "generation_kwargs": options}}
    serve(one_llm(provider), arguments)

    assert usage_of(client, **ASKED) == chat_usage(2, 3)
    sent = provider.requests[-1]
    assert sent["temperature"] == 0.5
    assert sent["stream_options"] == {"include_obfuscation": False, "include_usage": True}
    assert arguments == {"llm": {"messages": user("one two"), "generation_kwargs": options}}
    assert options["stream_options"] == {"include_obfuscation": False}


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("components", [None, "all"])
def test_usage_is_the_sum_over_components_whether_they_stream_or_not(
    client: TestClient, serve: Serve, provider: OpenAIServer, is_async: bool, components: Any
) -> None:
    serve(two_llms(provider), TWO, is_async=is_async, streaming_components=components)

    # "one" gives "Echo: one"; "again Echo: one" gives "Echo: again Echo: one".
    assert usage_of(client, **ASKED) == chat_usage(1 + 3, 2 + 4)


def weather_agent(provider: OpenAIServer) -> Agent:
    @tool
    def weather(city: str) -> str:
        """Tell the weather."""
        return f"sunny in {city}"

    return Agent(chat_generator=generator(provider), tools=[weather])


WEATHER = user('[[tool=weather; args={"city": "Rome"}]] weather?')


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("is_inside", [False, True])
def test_usage_of_an_agent_is_the_sum_over_its_steps(
    client: TestClient, serve: Serve, provider: OpenAIServer, is_async: bool, is_inside: bool
) -> None:
    served: Any = weather_agent(provider)
    arguments: Any = {"messages": WEATHER}
    if is_inside:
        agent, served = served, Pipeline()
        served.add_component("agent", agent)
        arguments = {"agent": arguments}
    serve(served, arguments, is_async=is_async)

    # The call is two pieces of up to eight characters; the answer is "Tool said: sunny in Rome".
    assert usage_of(client, **ASKED) == chat_usage(4 + 7, 2 + 5)
    assert len(provider.requests) == 2
    assert usage_of(client) is None


def test_responses_always_have_usage(client: TestClient, serve: Serve, provider: OpenAIServer) -> None:
    serve(one_llm(provider), {"llm": {"messages": user("[[reasoning=hm, so]] one two")}})
    expected = {
        "input_tokens": 4,
        "output_tokens": 5,
        "total_tokens": 9,
    }

    for answer in (create_response(client), stream_response(client)[-1]["response"]):
        assert without_details(answer["usage"]) == expected


class Usage:
    """A chunk of a wrapper's own generator."""

    def __init__(self, content: str, usage: Any) -> None:
        self.content = content
        self.meta = {"usage": usage}


OWN = {
    "prompt_tokens": 2,
    "completion_tokens": 3,
    "prompt_tokens_details": {"cached_tokens": 1},
    "completion_tokens_details": {"reasoning_tokens": 2},
}


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        pytest.param(OWN, (2, 3, 1, 2), id="names-of-chat"),
        pytest.param(
            {
                "input_tokens": 2,
                "output_tokens": 3,
                "input_tokens_details": {"cached_tokens": 1},
                "output_tokens_details": {"reasoning_tokens": 2},
            },
            (2, 3, 1, 2),
            id="names-of-responses",
        ),
        pytest.param({"prompt_tokens": 2, "completion_tokens": None}, (2, 0, 0, 0), id="without-completion"),
        pytest.param({"completion_tokens": 3, "completion_tokens_details": None}, (0, 3, 0, 0), id="without-prompt"),
        pytest.param({"prompt_tokens": "many", "completion_tokens": 3}, (0, 3, 0, 0), id="no-number"),
        pytest.param({"prompt_tokens": 0, "completion_tokens": 0}, None, id="zeros"),
        pytest.param({}, None, id="empty"),
        pytest.param("many", None, id="text"),
        pytest.param(None, None, id="none"),
    ],
)
def test_usage_in_the_chunks_of_a_wrapper_is_counted(
    app: Hayhooks, client: TestClient, usage: Any, expected: Any
) -> None:
    method = streams("a", Usage("b", usage), Usage("c", None))
    app.deploy("p", Answers(run_chat_completion=method, run_response=method))

    counted = expected and {
        **chat_usage(*expected[:2]),
        "prompt_tokens_details": {"cached_tokens": expected[2]},
        "completion_tokens_details": {"reasoning_tokens": expected[3]},
    }
    whole = create_response(client)["usage"]

    assert chat(client)["usage"] == counted
    assert [chunk["usage"] for chunk in stream_chat(client, **ASKED) if "usage" in chunk] == (
        [counted] if counted else []
    )
    assert (whole and whole["total_tokens"]) == (counted and counted["total_tokens"])


def test_usage_of_several_chunks_is_added_up(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", Answers(run_chat_completion=streams(Usage("a", OWN), Usage("b", OWN))))

    assert usage_of(client, **ASKED) == chat_usage(4, 6)


def test_usage_of_a_message_is_counted(app: Hayhooks, client: TestClient) -> None:
    reply = ChatMessage.from_assistant("hi", meta={"usage": OWN})
    app.deploy("p", Answers(run_chat_completion=returns(reply)))

    assert without_details(chat(client)["usage"]) == chat_usage(2, 3)


def test_chunks_of_a_pipeline_are_not_counted_a_second_time(app: Hayhooks, client: TestClient) -> None:
    class Reporting(MockChatGenerator):
        """Reports in its last chunk and in its reply, as real generators do."""

    def response(messages: list[ChatMessage], **_: Any) -> ChatMessage:
        return ChatMessage.from_assistant("hi", meta={"usage": OWN})

    pipeline = Pipeline()
    pipeline.add_component("llm", Reporting(response_fn=response))

    def run(model: str, messages: Any, body: Any) -> Any:
        yield from streaming_generator(pipeline, {"llm": {"messages": user("hi")}})
        yield Usage("", OWN)

    app.deploy("p", Answers(run_chat_completion=run))

    assert usage_of(client, **ASKED) == chat_usage(2, 3)


# What metering must not change


@component
class Extra:
    """Gives more than it declares."""

    @component.output_types(declared=str)
    def run(self, text: str) -> dict[str, Any]:
        return {"declared": text, "extra": text}


def pipeline_with_inner_outputs(provider: OpenAIServer) -> Pipeline:
    pipeline = two_llms(provider)
    pipeline.add_component("extra", Extra())
    return pipeline


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(
    "outputs",
    [None, set(), {"question"}, {"first"}, {"first", "second", "extra"}],
    ids=["default", "none", "question", "first", "three"],
)
def test_result_of_the_run_is_the_same_with_and_without_metering(
    client: TestClient, serve: Serve, provider: OpenAIServer, is_async: bool, outputs: set[str] | None
) -> None:
    pipeline = pipeline_with_inner_outputs(provider)
    arguments = {**TWO, "extra": {"text": "more"}}
    results: list[Any] = []
    given = None if outputs is None else set(outputs)
    serve(
        pipeline,
        arguments,
        is_async=is_async,
        include_outputs_from=given,
        on_pipeline_end=results.append,
    )

    stream_chat(client, **ASKED)
    expected = pipeline.run(
        {"first": {"messages": user("one")}, "extra": {"text": "more"}}, include_outputs_from=outputs
    )

    (result,) = results
    assert {name: set(found) for name, found in result.items()} == {
        name: set(found) for name, found in expected.items()
    }
    assert result["extra"] == {"declared": "more", "extra": "more"}
    assert result["second"]["replies"][0].text == expected["second"]["replies"][0].text
    assert given == outputs


def test_text_of_on_pipeline_end_is_the_last_chunk_with_metering(
    client: TestClient, serve: Serve, provider: OpenAIServer
) -> None:
    serve(one_llm(provider), {"llm": {"messages": user("hi")}}, on_pipeline_end=lambda result: f" {list(result)}")

    assert chat(client)["choices"][0]["message"]["content"] == "Echo: hi ['llm']"
    assert stream_chat(client, **ASKED)[-3]["choices"][0]["delta"] == {"content": " ['llm']"}


def test_run_without_a_client_of_openai_is_not_metered(provider: OpenAIServer) -> None:
    chunks = list(streaming_generator(one_llm(provider), {"llm": {"messages": user("hi")}}))
    agent_chunks = list(streaming_generator(weather_agent(provider), {"messages": user("hi")}))

    assert "".join(chunk.content for chunk in chunks + agent_chunks) == "Echo: hiEcho: hi"
    assert all("stream_options" not in request for request in provider.requests)


def test_generator_of_another_kind_is_not_told_to_report(client: TestClient, serve: Serve) -> None:
    pipeline = Pipeline()
    pipeline.add_component("llm", PlainGenerator("hi"))
    serve(pipeline, {"llm": {"messages": user("hi")}})

    assert stream_chat(client, **ASKED)[0]["choices"][0]["delta"]["content"] == "hi"


@pytest.mark.parametrize(
    "outputs",
    [
        {"replies": None},
        {"replies": [StreamingChunk("x"), ChatMessage.from_assistant("x"), "x"]},
        {"token_usage": {}},
    ],
    ids=["none", "no-reports", "empty"],
)
def test_outputs_without_reports_count_nothing(outputs: JSON) -> None:
    meter = TokenMeter(is_asked=True)
    meter.begin_run().count_results(streaming=[outputs], others=[outputs])

    assert (meter.chat_usage(), meter.response_usage()) == (None, None)
