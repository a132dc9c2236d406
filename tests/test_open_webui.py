from __future__ import annotations

from typing import Any

import pytest
from haystack.dataclasses import ByteStream, Document

import hayhooks
from hayhooks.open_webui import (
    OpenWebUIEvent,
    create_chat_completion_event,
    create_details_tag,
    create_message_event,
    create_replace_event,
    create_source_event,
    create_source_events,
)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        pytest.param(
            create_chat_completion_event({"done": True}),
            {"type": "chat:completion", "data": {"done": True}},
            id="chat-completion",
        ),
        pytest.param(
            create_message_event(" and more"), {"type": "message", "data": {"content": " and more"}}, id="message"
        ),
        pytest.param(create_replace_event("Anew"), {"type": "replace", "data": {"content": "Anew"}}, id="replace"),
        pytest.param(
            create_source_event({"source": {"name": "a.md"}, "document": ["text"]}),
            {"type": "source", "data": {"source": {"name": "a.md"}, "document": ["text"]}},
            id="source",
        ),
    ],
)
def test_an_event_for_open_webui_is_sent_as_its_type_and_data(event: OpenWebUIEvent, expected: dict[str, Any]) -> None:
    assert event.to_event_dict() == expected


def test_a_details_tag_is_a_folded_block_with_a_summary() -> None:
    assert create_details_tag("weather", "In *Paris*", "sunny\n& <b>warm</b>") == (
        '<details type="weather" done="true">\n<summary>In *Paris*</summary>\n\nsunny\n& <b>warm</b>\n</details>\n\n'
    )


def source(name: str, texts: list[str], metadata: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """The data of a source event, with its name in each entry of the metadata."""
    return {
        "source": {"name": name, **({"url": more.pop("url")} if "url" in more else {})},
        "document": texts,
        "metadata": [{**entry, "source": name} for entry in metadata],
        **more,
    }


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        pytest.param([], [], id="none"),
        pytest.param(
            [
                Document(content="one", meta={"url": "http://a/x", "title": "A", "page_number": 1}, score=0.5),
                Document(content="other", meta={"url": "https://b"}, score=0.4),
                Document(content="two", meta={"url": "http://a/x", "title": "A"}, score=0.25),
            ],
            [
                source(
                    "A",
                    ["one", "two"],
                    [{"url": "http://a/x", "title": "A", "page_number": 1}, {"url": "http://a/x", "title": "A"}],
                    url="http://a/x",
                    distances=[0.5, 0.25],
                ),
                source("https://b", ["other"], [{"url": "https://b"}], url="https://b", distances=[0.4]),
            ],
            id="urls",
        ),
        pytest.param(
            [
                Document(content="a", meta={"file_path": "/srv/docs/a.md"}),
                Document(content="b", meta={"file_path": "C:\\b.md"}),
            ],
            [source("a.md", ["a"], [{}]), source("b.md", ["b"], [{}])],
            id="file-paths-are-not-shown",
        ),
        pytest.param(
            [Document(content="a", meta={"source": "Handbook"}), Document(content="b", meta={"source": "http://c"})],
            [source("Handbook", ["a"], [{}]), source("http://c", ["b"], [{}], url="http://c")],
            id="sources",
        ),
        pytest.param(
            [Document(content="a", meta={"title": "T"}, score=0.5), Document(content="b", meta={"title": "T"})],
            [source("T", ["a", "b"], [{"title": "T"}, {"title": "T"}])],
            id="titles-without-all-scores",
        ),
        pytest.param(
            [Document(content="a"), Document(blob=ByteStream(b"b"), meta={"url": "", "tags": ["x"]}), "text"],
            [
                source("Document 1", ["a"], [{}]),
                source("Document 2", [""], [{"url": ""}]),
                source("Document 3", [""], [{}]),
            ],
            id="documents-that-say-nothing-of-their-source",
        ),
        pytest.param(
            [{"content": "a", "meta": {"url": "file:///a", "draft": True}, "score": 1}],
            [source("Document 1", ["a"], [{"url": "file:///a", "draft": True}], distances=[1.0])],
            id="dict-with-a-url-of-another-kind",
        ),
    ],
)
def test_documents_of_a_source_are_one_event(documents: list[Any], expected: list[dict[str, Any]]) -> None:
    events = create_source_events(iter(documents))

    assert [event.to_event_dict() for event in events] == [{"type": "source", "data": data} for data in expected]


def test_helper_for_sources_is_public() -> None:
    assert hayhooks.create_source_events is create_source_events
