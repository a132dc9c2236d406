"""YAML pipelines that chat, by their key `chat`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from starlette.testclient import TestClient

from hayhooks import Hayhooks, Settings
from tests.openai.answering import chat, read_chunks, stream_chat
from tests.openai_server import OpenAIServer, openai_server
from tests.servers import served
from tests.yaml.conftest import Deploy

C = "haystack.components"
MOCK = f"{C}.generators.chat.mock.MockChatGenerator"
PROMPT = f"{C}.builders.chat_prompt_builder.ChatPromptBuilder"
PARTS = "tests.yaml.parts"

ECHO = f"components: {{llm: {{type: {MOCK}}}}}\ninputs: {{messages: llm.messages}}\noutputs: {{replies: llm.replies}}\n"
SILENT = ECHO.replace(MOCK, f"{PARTS}.Silent")
SHOUT = f"""
components: {{shout: {{type: {PARTS}.Shout}}}}
inputs: {{text: shout.text, mark: shout.mark, times: shout.times}}
outputs: {{answer: shout.answer, length: shout.length}}
chat: {{input: text}}
"""
TWO = f"""
components: {{one: {{type: {MOCK}}}, two: {{type: {MOCK}}}}}
inputs: {{messages: [one.messages, two.messages]}}
outputs: {{one: one.replies, two: two.replies}}
chat: {{output: two}}
"""
TALK: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Who?"},
    {"role": "assistant", "content": "Ada."},
    {"role": "user", "content": [{"type": "text", "text": "And"}, {"type": "text", "text": "when?"}]},
]


def texts(chunks: list[dict[str, Any]]) -> list[str]:
    """Return the texts of a stream whose last chunk ends it."""
    choices = [chunk["choices"][0] for chunk in chunks]
    assert [choice["finish_reason"] for choice in choices] == [None] * (len(choices) - 1) + ["stop"]
    return [choice["delta"].get("content") for choice in choices[:-1]]


def content(completion: dict[str, Any]) -> Any:
    return completion["choices"][0]["message"]["content"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param(
            f"{SILENT}chat: true", "system: Be brief. | user: Who? | assistant: Ada. | user: And\nwhen?", id="all"
        ),
        pytest.param(f"{SILENT}chat: {{messages: last}}", "user: And\nwhen?", id="last-as-a-list"),
        pytest.param(SHOUT, "AND\nWHEN?!", id="last-as-text"),
        pytest.param(
            f"components: {{typed: {{type: {PARTS}.Typed}}, show: {{type: {C}.builders.prompt_builder.PromptBuilder, "
            'init_parameters: {template: "{{ classes.message }}"}}}\n'
            "connections: [{sender: typed.classes, receiver: show.classes}]\n"
            "inputs: {message: typed.message}\noutputs: {text: show.prompt}\nchat: true",
            "ChatMessage And\nwhen?",
            id="last-as-a-message",
        ),
    ],
)
def test_a_conversation_fills_the_input(client: TestClient, deploy: Deploy, source: str, expected: str) -> None:
    deploy(source)

    assert content(chat(client, messages=TALK)) == expected
    assert "".join(texts(stream_chat(client, messages=TALK))) == expected
    by_path = client.post("/p/chat/completions", json={"messages": TALK})
    assert content(by_path.json()) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param(f"{ECHO}chat: true", ["one ", "two ", "three"], id="tokens"),
        pytest.param(f"{SILENT}chat: true", ["user: one two three"], id="a-component-that-sends-nothing"),
        pytest.param(SHOUT, ["ONE TWO THREE!"], id="no-component-that-streams"),
        pytest.param(f"{ECHO}chat: true\nstreaming_components: []", ["one two three"], id="none-chosen"),
        pytest.param(TWO, ["one ", "two ", "three"], id="the-last-of-two"),
    ],
)
def test_an_answer_is_streamed(client: TestClient, deploy: Deploy, source: str, expected: list[str]) -> None:
    deploy(source)

    chunks = stream_chat(client, messages=[{"role": "user", "content": "one two three"}])

    assert texts(chunks) == expected


@pytest.mark.parametrize("key", ["streaming_components: all", "streaming_components: [one, two]"])
def test_several_components_stream_where_the_yaml_says_so(client: TestClient, deploy: Deploy, key: str) -> None:
    deploy(f"{TWO}{key}\n")

    chunks = stream_chat(client, messages=[{"role": "user", "content": "a b"}])

    assert sorted(texts(chunks)) == ["a ", "a ", "b", "b"]


def test_the_setting_for_streaming_holds_where_the_yaml_says_nothing() -> None:
    app = Hayhooks(settings=Settings(streaming_components="all"))
    app.deploy("p", TWO)
    app.deploy("last", f"{TWO}streaming_components: [two]\n")
    client = TestClient(app)
    messages = [{"role": "user", "content": "a"}]

    assert texts(stream_chat(client, messages=messages)) == ["a", "a"]
    assert texts(stream_chat(client, model="last", messages=messages)) == ["a"]


def test_optional_inputs_are_filled_by_keys_of_their_names(client: TestClient, deploy: Deploy) -> None:
    deploy(SHOUT)
    messages = [{"role": "user", "content": "a"}]

    assert content(chat(client, messages=messages, mark="?", times=2, length=5)) == "A??"
    assert content(chat(client, messages=messages, mark=None)) == "A!"
    refused = client.post("/p/chat/completions", json={"messages": messages, "times": "many"})
    assert (refused.status_code, refused.json()["error"]["message"]) == (
        422,
        "'times' does not fit: Input should be a valid integer, unable to parse string as an integer",
    )


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        pytest.param([], "'messages' must have a message of the user", id="none"),
        pytest.param([{"role": "assistant", "content": "a"}], "'messages' must have a message of the user", id="other"),
        pytest.param(
            [{"role": "user", "content": ""}],
            "'messages' must have a message of the user that is not empty",
            id="empty",
        ),
        pytest.param(
            [
                {
                    "role": "user",
                    "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,?"}}],
                }
            ],
            "'messages' holds a message that cannot be read: The base64 string is not valid",
            id="image",
        ),
        pytest.param(
            [{"role": "tool", "tool_call_id": [], "content": ""}, {"role": "user", "content": "a"}],
            "'messages' holds a message that cannot be read: its 'tool_call_id' must be a text",
            id="types",
        ),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_conversation_that_says_nothing_is_refused(
    client: TestClient, deploy: Deploy, messages: Any, text: str, stream: bool
) -> None:
    deploy(f"{ECHO}chat: true")

    answer = client.post("/p/chat/completions", json={"messages": messages, "stream": stream})

    status = 400 if "cannot be read" in text else 422
    assert (answer.status_code, answer.json()["error"]["message"]) == (status, text)


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        pytest.param("{answer: builder.answers}", "one two", id="generated-answers"),
        pytest.param("{answer: llm.replies, length: builder.answers}\nchat: {output: answer}", "one two", id="named"),
    ],
)
def test_the_answer_is_the_declared_output(client: TestClient, deploy: Deploy, outputs: str, expected: str) -> None:
    source = f"""
components: {{llm: {{type: {MOCK}}}, builder: {{type: {C}.builders.answer_builder.AnswerBuilder}}}}
connections: [{{sender: llm.replies, receiver: builder.replies}}]
inputs: {{text: [builder.query, llm.messages]}}
outputs: {outputs}
"""
    deploy(source if "chat:" in source else f"{source}chat: true")

    assert content(chat(client, messages=[{"role": "user", "content": "one two"}])) == expected


def test_a_run_that_ends_without_the_answer_is_an_error(client: TestClient, deploy: Deploy) -> None:
    deploy(f"""
components:
  router:
    type: {C}.routers.conditional_router.ConditionalRouter
    init_parameters:
      routes:
        - {{condition: "{{{{ 'a' in text }}}}", output: "{{{{ text }}}}", output_name: a, output_type: str}}
        - {{condition: "{{{{ True }}}}", output: "{{{{ text }}}}", output_name: other, output_type: str}}
inputs: {{text: router.text}}
outputs: {{a: router.a}}
chat: true
""")

    assert content(chat(client, messages=[{"role": "user", "content": "abc"}])) == "abc"
    answer = client.post("/p/chat/completions", json={"messages": [{"role": "user", "content": "xyz"}]})
    assert (answer.status_code, answer.json()["error"]["message"]) == (
        500,
        "The run ended without the output 'a', which is the answer of chats",
    )


def test_without_the_key_a_pipeline_does_not_chat(client: TestClient, deploy: Deploy) -> None:
    deploy(f"{ECHO}chat: false")

    answer = client.post("/p/chat/completions", json={"messages": TALK})

    assert answer.status_code == 501
    assert client.get("/status").json()["deployments"][0]["capabilities"] == ["run_api", "mcp_eligible"]


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    """A provider of a model, which `OpenAIChatGenerator` finds by the environment."""
    with openai_server() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "any")
        yield server


@pytest.fixture
def official(provider: OpenAIServer, app: Hayhooks) -> Iterator[openai.OpenAI]:
    """The official client of a server with the pipeline `rag`, which asks the model of the provider."""
    app.deploy(
        "rag",
        f"""
components:
  prompt:
    type: {PROMPT}
    init_parameters:
      template: "{{% message role='user' %}}Say {{{{ question }}}} [[words=4]]{{% endmessage %}}"
      required_variables: "*"
  llm:
    type: {C}.generators.chat.openai.OpenAIChatGenerator
    init_parameters: {{model: stub}}
connections: [{{sender: prompt.prompt, receiver: llm.messages}}]
inputs: {{question: prompt.question}}
outputs: {{answer: llm.replies}}
chat: true
""",
    )
    with served(app) as url, openai.OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client:
        yield client


QUESTION: Any = [{"role": "user", "content": "hello"}]


def test_the_official_client_gets_a_completion_with_its_usage(official: openai.OpenAI, provider: OpenAIServer) -> None:
    completion = official.chat.completions.create(model="rag", messages=QUESTION)

    assert completion.choices[0].message.content == "w1 w2 w3 w4"
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage is not None and completion.usage.completion_tokens == 4
    assert [request["messages"] for request in provider.requests] == [
        [{"role": "user", "content": "Say hello [[words=4]]"}]
    ]


def test_the_official_client_reads_the_tokens_of_the_model(official: openai.OpenAI, provider: OpenAIServer) -> None:
    stream = official.chat.completions.create(
        model="rag", messages=QUESTION, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)

    found = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
    assert [text for text in found if text] == ["w1", " w2", " w3", " w4"]
    assert chunks[-1].usage is not None and chunks[-1].usage.completion_tokens == 4
    assert provider.streams_finished == 1


def test_a_failing_model_is_an_error_before_the_stream(official: openai.OpenAI) -> None:
    messages: Any = [{"role": "user", "content": "[[status=429]]"}]

    with pytest.raises(openai.RateLimitError):
        official.chat.completions.create(model="rag", messages=messages, stream=True)


def test_chunks_can_be_read_below_the_pipeline_too(client: TestClient, deploy: Deploy) -> None:
    deploy(f"{ECHO}chat: true")

    answer = client.post(
        "/p/chat", json={"messages": [{"role": "user", "content": "a b"}], "stream": True, "model": "p"}
    )

    assert texts(read_chunks(answer.text)) == ["a ", "b"]
