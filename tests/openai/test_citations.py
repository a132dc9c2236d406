"""The documents of a retriever, as sources for Open WebUI and as annotations for every other client."""

from __future__ import annotations

from typing import Any

import pytest
from haystack import Document, Pipeline
from haystack.components.builders import ChatPromptBuilder
from haystack.components.generators.chat import MockChatGenerator
from haystack.components.retrievers import InMemoryBM25Retriever
from haystack.dataclasses import ChatMessage
from haystack.document_stores.in_memory import InMemoryDocumentStore
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from starlette.testclient import TestClient

from hayhooks import Hayhooks, create_source_events, streaming_generator
from tests.openai.answering import Answers, chat, create_response, stream_chat, stream_response, streams

DOCUMENTS = [
    Document(content="It rains in Rome.", meta={"url": "http://a", "title": "A"}),
    Document(content="It snows in Oslo.", meta={"file_path": "/srv/b.md"}),
]
CITATION = {"url": "http://a", "title": "A", "start_index": 0, "end_index": 0}
IN_CHAT = {"type": "url_citation", "url_citation": CITATION}
IN_RESPONSE = {"type": "url_citation", **CITATION}
EVENTS = create_source_events(DOCUMENTS)


@pytest.mark.parametrize(
    "items", [[*EVENTS, "It rains."], ["It ", *EVENTS, "rains."], ["It rains.", *EVENTS]], ids=["first", "amid", "last"]
)
def test_sources_annotate_the_message_wherever_they_come(app: Hayhooks, client: TestClient, items: list[Any]) -> None:
    app.deploy("p", Answers(run_chat_completion=streams(*items), run_response=streams(*items)))

    completion, chunks = chat(client), stream_chat(client)

    message = completion["choices"][0]["message"]
    assert (message["content"], message["annotations"]) == ("It rains.", [IN_CHAT])
    assert [chunk["event"] for chunk in chunks if "event" in chunk] == [event.to_event_dict() for event in EVENTS]
    annotations = [chunk["choices"][0]["delta"].get("annotations") for chunk in chunks if "event" in chunk]
    assert annotations == [[IN_CHAT], None]
    ChatCompletion.model_validate(completion)
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk)

    (item,) = create_response(client)["output"]
    assert item["content"] == [{"type": "output_text", "text": "It rains.", "annotations": [IN_RESPONSE]}]
    added = [event for event in stream_response(client) if event["type"].endswith("annotation.added")]
    assert [event["annotation"] for event in added] == [IN_RESPONSE]


def test_message_without_sources_has_no_annotations(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", Answers(run_chat_completion=streams("It rains.")))

    assert "annotations" not in chat(client)["choices"][0]["message"]


def test_retrieved_documents_can_be_shown_when_the_pipeline_ends(app: Hayhooks, client: TestClient) -> None:
    store = InMemoryDocumentStore(shared=False)
    store.write_documents(DOCUMENTS)
    pipeline = Pipeline()
    pipeline.add_component("retriever", InMemoryBM25Retriever(store, top_k=1))
    pipeline.add_component("prompt", ChatPromptBuilder([ChatMessage.from_user("{{ documents }}")], ["documents"]))
    pipeline.add_component("llm", MockChatGenerator("It rains."))
    pipeline.connect("retriever.documents", "prompt.documents")
    pipeline.connect("prompt.prompt", "llm.messages")

    def run(model: str, messages: Any, body: Any) -> Any:
        return streaming_generator(
            pipeline,
            {"retriever": {"query": "Rome"}},
            include_outputs_from={"retriever"},
            on_pipeline_end=lambda result: create_source_events(result["retriever"]["documents"]),
        )

    app.deploy("p", Answers(run_chat_completion=run))
    message = chat(client)["choices"][0]["message"]
    store.shutdown()

    assert (message["content"], message["annotations"]) == ("It rains.", [IN_CHAT])


def test_scores_that_are_no_numbers_leave_valid_json(app: Hayhooks, client: TestClient) -> None:
    document = Document(content="x", meta={"title": "T"}, score=float("nan"))
    app.deploy("p", Answers(run_chat_completion=streams(*create_source_events([document]))))

    assert stream_chat(client)[0]["event"]["data"]["distances"] == [None]
