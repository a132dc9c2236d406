from __future__ import annotations

import pytest
import requests
from sse_starlette import EventSourceResponse
from starlette.testclient import TestClient

from hayhooks import Hayhooks, Settings
from tests.http.wrappers import deploy
from tests.servers import served

TEXT = "text/plain; charset=utf-8"
EVENTS = "text/event-stream; charset=utf-8"

IMPORTS = """
from haystack.dataclasses import ReasoningContent, StreamingChunk
from hayhooks.events import create_status_event
"""

SHAPES = {
    "generator": "def run_api(self) -> Generator:\n    {imports}\n    yield from {items}",
    "async-generator": "async def run_api_async(self) -> AsyncGenerator:\n    {imports}\n    for x in {items}: yield x",
    "returned-generator": "def run_api(self) -> Generator:\n    {imports}\n    return (x for x in {items})",
    "returned-async-generator": (
        "async def run_api_async(self) -> AsyncGenerator:\n    {imports}\n    async def stream():\n"
        "        for x in {items}: yield x\n    return stream()"
    ),
    "undeclared": "def run_api(self) -> dict:\n    {imports}\n    return (x for x in {items})",
    "iterator": "def run_api(self) -> Iterator[str]:\n    {imports}\n    return iter({items})",
}
SSE_SHAPES = {
    "generator": "def run_api(self) -> Generator:\n    {imports}\n    return SSEStream(x for x in {items})",
    "declared": "def run_api(self) -> SSEStream:\n    {imports}\n    return SSEStream(x for x in {items})",
    "undeclared": "def run_api(self) -> str:\n    {imports}\n    return SSEStream(x for x in {items})",
    "async-generator": (
        "async def run_api_async(self) -> AsyncGenerator:\n    {imports}\n    async def stream():\n"
        "        for x in {items}: yield x\n    return SSEStream(stream())"
    ),
}


def deploy_stream(app: Hayhooks, shape: str, items: str) -> None:
    deploy(app, shape.format(imports=IMPORTS.strip().replace("\n", "; "), items=items))


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_every_kind_of_stream_is_sent_as_text(app: Hayhooks, client: TestClient, shape: str) -> None:
    deploy_stream(app, shape, "['a', 'é', 'c']")
    response = client.post("/p/run", json={})

    assert (response.status_code, response.text, response.headers["content-type"]) == (200, "aéc", TEXT)


@pytest.mark.parametrize("shape", SSE_SHAPES.values(), ids=SSE_SHAPES)
def test_every_kind_of_marked_stream_is_sent_as_events(app: Hayhooks, client: TestClient, shape: str) -> None:
    deploy_stream(app, shape, "['a', 'é', 'c']")
    response = client.post("/p/run", json={})

    assert (response.status_code, response.headers["content-type"]) == (200, EVENTS)
    assert response.text == "data: a\n\ndata: é\n\ndata: c\n\n"


@pytest.mark.parametrize(
    ("item", "text", "event"),
    [
        pytest.param("'é'", "é", "data: é\n\n", id="str"),
        pytest.param("'a\\nb'", "a\nb", "data: a\ndata: b\n\n", id="lines"),
        pytest.param(
            "'a\\r\\nb\\u2028c\\n'", "a\r\nb\u2028c\n", "data: a\ndata: b\ndata: c\ndata:\n\n", id="all-line-ends"
        ),
        pytest.param("'a\\n'", "a\n", "data: a\ndata:\n\n", id="newline-at-the-end"),
        pytest.param("'\\n'", "\n", "data:\ndata:\n\n", id="newline-alone"),
        pytest.param("'a\\n\\nb'", "a\n\nb", "data: a\ndata:\ndata: b\n\n", id="blank-line"),
        pytest.param("''", "", "data:\n\n", id="empty"),
        pytest.param("None", "", "data:\n\n", id="none"),
        pytest.param("'é'.encode()", "é", "data: é\n\n", id="bytes"),
        pytest.param("StreamingChunk(content='c')", "c", "data: c\n\n", id="chunk"),
        pytest.param("StreamingChunk(content='')", "", "data:\n\n", id="empty-chunk"),
        pytest.param(
            "StreamingChunk('', index=0, reasoning=ReasoningContent('why'))", "why", "data: why\n\n", id="reasoning"
        ),
        pytest.param("{'a': 'é', 'b': [1, None]}", *['{"a": "\\u00e9", "b": [1, null]}'] * 2, id="dict"),
        pytest.param("['x', 2]", *['["x", 2]'] * 2, id="list"),
        pytest.param("1.5", *["1.5"] * 2, id="number"),
        pytest.param("True", *["true"] * 2, id="bool"),
        pytest.param("{1}", *["{1}"] * 2, id="no-json"),
        pytest.param("create_status_event('working')", "", "", id="event"),
    ],
)
def test_item_is_written_as_the_contract_says(
    app: Hayhooks, client: TestClient, item: str, text: str, event: str
) -> None:
    event = event if event.endswith("\n") or not event else f"data: {event}\n\n"
    deploy_stream(app, SHAPES["generator"], f"['<', {item}, '>']")
    plain = client.post("/p/run", json={})
    deploy_stream(app, SSE_SHAPES["generator"], f"['<', {item}, '>']")
    events = client.post("/p/run", json={})

    assert plain.text == f"<{text}>"
    assert events.text == f"data: <\n\n{event}data: >\n\n"


@pytest.mark.parametrize("shapes", [SHAPES, SSE_SHAPES], ids=["text", "events"])
def test_event_is_left_out_also_when_it_comes_alone(app: Hayhooks, client: TestClient, shapes: dict[str, str]) -> None:
    # The items of an async generator are sent one at a time.
    deploy_stream(app, shapes["async-generator"], "[create_status_event('working'), 'a', create_status_event('done')]")

    assert client.post("/p/run", json={}).text in ("a", "data: a\n\n")


def test_bytes_go_out_as_they_are_in_a_plain_stream(app: Hayhooks, client: TestClient) -> None:
    deploy_stream(app, SHAPES["generator"], "[b'\\xff\\x00', 'é'.encode()[:1], 'é'.encode()[1:]]")

    assert client.post("/p/run", json={}).content == b"\xff\x00" + "é".encode()


def test_bytes_that_are_no_text_are_replaced_in_an_event(app: Hayhooks, client: TestClient) -> None:
    deploy_stream(app, SSE_SHAPES["generator"], "[b'a\\xff']")

    assert client.post("/p/run", json={}).text == "data: a\ufffd\n\n"


@pytest.mark.parametrize(("shapes", "content_type"), [(SHAPES, TEXT), (SSE_SHAPES, EVENTS)], ids=["text", "events"])
def test_empty_stream_is_an_empty_body(
    app: Hayhooks, client: TestClient, shapes: dict[str, str], content_type: str
) -> None:
    deploy_stream(app, shapes["generator"], "[]")
    response = client.post("/p/run", json={})

    assert (response.status_code, response.text, response.headers["content-type"]) == (200, "", content_type)


def test_list_is_a_value_and_no_stream(app: Hayhooks, client: TestClient) -> None:
    deploy(app, "def run_api(self) -> list: return ['a', 'b']")

    assert client.post("/p/run", json={}).json() == {"result": ["a", "b"]}


def test_event_stream_around_something_else_is_an_error_that_says_so(app: Hayhooks, client: TestClient) -> None:
    deploy(app, "def run_api(self) -> Generator: return SSEStream(['a'])")
    response = client.post("/p/run", json={})

    message = "SSEStream.stream must be a generator or async generator (got type list)"
    assert (response.status_code, response.json()) == (500, {"detail": message})


@pytest.mark.parametrize(
    "shape",
    [SHAPES["generator"], SHAPES["async-generator"], SSE_SHAPES["generator"], SSE_SHAPES["async-generator"]],
    ids=["text", "async-text", "events", "async-events"],
)
def test_failure_before_the_first_item_is_a_whole_answer(app: Hayhooks, client: TestClient, shape: str) -> None:
    deploy_stream(app, shape, "(1 / 0 for x in [1])")
    response = client.post("/p/run", json={})

    message = f"Pipeline execution failed (request id {response.headers['x-request-id']})"
    assert (response.status_code, response.json()) == (500, {"detail": message})


@pytest.mark.parametrize("shape", [SHAPES["generator"], SHAPES["async-generator"]], ids=["sync", "async"])
def test_failure_within_a_text_stream_cuts_the_connection(app: Hayhooks, shape: str) -> None:
    deploy_stream(app, shape, "('ab'[x] for x in range(3))")

    with served(app) as url, requests.post(f"{url}/p/run", json={}, stream=True) as response:
        received: list[bytes] = []
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            received.extend(response.iter_content(1))

    assert response.status_code == 200
    assert b"".join(received) in (b"", b"a", b"ab")


@pytest.mark.parametrize("shape", [SSE_SHAPES["generator"], SSE_SHAPES["async-generator"]], ids=["sync", "async"])
def test_failure_within_an_event_stream_is_the_last_event(app: Hayhooks, client: TestClient, shape: str) -> None:
    deploy_stream(app, shape, "('ab'[x] for x in range(3))")
    response = client.post("/p/run", json={})

    message = f"Pipeline execution failed (request id {response.headers['x-request-id']})"
    assert response.text == f'data: a\n\ndata: b\n\nevent: error\ndata: {{"detail":"{message}"}}\n\n'


def test_failure_within_an_event_stream_tells_its_text_if_asked_for() -> None:
    app = Hayhooks(settings=Settings(show_tracebacks=True))
    deploy_stream(app, SSE_SHAPES["generator"], "('ab'[x] for x in range(3))")
    text = TestClient(app).post("/p/run", json={}).text

    assert 'event: error\ndata: {"detail":"Pipeline execution failed: string index out of range\\nTraceback' in text


def test_item_that_cannot_be_written_ends_the_stream_and_hides_why(app: Hayhooks, client: TestClient) -> None:
    deploy_stream(app, SSE_SHAPES["generator"], "['a', type('Broken', (), {'__str__': lambda self: 1 / 0})(), 'b']")
    response = client.post("/p/run", json={})
    detail = f"Pipeline execution failed (request id {response.headers['x-request-id']})"

    # What came before it is sent, also when both came at once.
    assert (response.status_code, response.text) == (200, f'data: a\n\nevent: error\ndata: {{"detail":"{detail}"}}\n\n')


def test_http_exception_within_an_event_stream_is_its_last_event(app: Hayhooks, client: TestClient) -> None:
    deploy(
        app,
        "def run_api(self) -> Generator:\n    def stream():\n        yield 'a'\n"
        "        raise HTTPException(418, 'tea')\n    return SSEStream(stream())",
    )

    assert client.post("/p/run", json={}).text == 'data: a\n\nevent: error\ndata: {"detail":"tea"}\n\n'


def test_half_a_character_does_not_end_the_stream(app: Hayhooks, client: TestClient) -> None:
    deploy_stream(app, SHAPES["generator"], "['a', '\\ud83d', 'b']")

    assert client.post("/p/run", json={}).text == "a?b"


def test_items_arrive_one_by_one_and_in_order(app: Hayhooks) -> None:
    deploy_stream(app, SHAPES["generator"], "(f'{i},' for i in range(20_000))")

    with served(app) as url:
        text = requests.post(f"{url}/p/run", json={}, timeout=30).text

    assert text == "".join(f"{i}," for i in range(20_000))


def test_stream_works_with_the_context_of_its_request(app: Hayhooks, client: TestClient) -> None:
    deploy(
        app, "def run_api(self) -> Generator:\n    from hayhooks import current_request\n    yield current_request().id"
    )
    response = client.post("/p/run", json={})

    assert response.text == response.headers["x-request-id"]


def test_silent_event_stream_is_kept_alive_by_comments(
    app: Hayhooks, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Sent every 15 seconds, which no test can wait for.
    monkeypatch.setattr(EventSourceResponse, "DEFAULT_PING_INTERVAL", 0.01)
    deploy(
        app,
        "def run_api(self) -> Generator:\n    def stream():\n        yield 'a'\n        time.sleep(0.05)\n"
        "        yield 'b'\n    return SSEStream(stream())",
    )
    lines = client.post("/p/run", json={}).text.splitlines(keepends=True)

    assert [line for line in lines if not line.startswith(":")][0] == "data: a\n"
    assert ": ping\n" in lines
