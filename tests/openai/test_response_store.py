from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from starlette.testclient import TestClient

from hayhooks import Hayhooks, Settings
from hayhooks.errors import ResponseNotFound
from hayhooks.openai.response_store import KeptResponse, ResponseStore
from tests.http.waiting import wait_until
from tests.openai.answering import JSON, Answers, create_response, error, returns, stream_response, streams


def not_found(id: str) -> JSON:
    return error(f"Response with id '{id}' not found.", kind="not_found_error", code="response_not_found")


def kept(number: int) -> KeptResponse:
    return KeptResponse({"id": f"resp_{number}", "output": []}, [], [])


def ids_of(store: ResponseStore, count: int) -> list[int]:
    """Return the numbers of those among `count` responses that are kept."""
    found = []
    for number in range(count):
        try:
            store.get(f"resp_{number}")
        except ResponseNotFound:
            continue
        found.append(number)
    return found


# The store


@pytest.mark.parametrize(("limit", "expected"), [(0, []), (1, [3]), (3, [1, 2, 3]), (9, [0, 1, 2, 3])])
def test_store_keeps_the_newest(limit: int, expected: list[int]) -> None:
    store = ResponseStore(limit=limit, size=1000, lifetime=60)
    for number in range(4):
        store.add(kept(number))

    assert ids_of(store, 4) == expected


@pytest.mark.parametrize(("size", "expected"), [(0, [3]), (399, [3]), (500, [2, 3]), (1000, [0, 1, 2, 3])])
def test_store_keeps_no_more_bytes_than_it_may(size: int, expected: list[int]) -> None:
    store = ResponseStore(limit=9, size=size, lifetime=60)
    for number in range(4):
        response = kept(number)
        response.size = 100 + 50 * number
        store.add(response)
    for number in range(4):
        if number not in expected:
            continue
        store.remove(f"resp_{number}")
        store.add(kept(number))

    assert ids_of(store, 4) == expected


def test_store_forgets_what_is_older_than_its_lifetime() -> None:
    store = ResponseStore(limit=9, size=1000, lifetime=0.03)
    store.add(kept(0))
    assert ids_of(store, 1) == [0]

    wait_until(lambda: ids_of(store, 1) == [])


def test_store_keeps_what_is_still_at_work_beyond_limit_and_lifetime() -> None:
    async def work() -> None:
        store = ResponseStore(limit=1, size=1000, lifetime=0.001)
        busy = kept(0)
        busy.task = asyncio.create_task(asyncio.sleep(60))
        store.add(busy)
        for number in (1, 2):
            store.add(kept(number))
        await asyncio.sleep(0.005)

        assert ids_of(store, 3) == [0]
        await store.close()
        assert busy.task.cancelled()
        assert ids_of(store, 3) == []

    asyncio.run(work())


# Retrieve, delete, input items


def test_a_kept_response_is_not_streamed_again(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", Answers(run_response=returns("hello")))
    path = f"/v1/responses/{create_response(client)['id']}"
    text = "A kept response cannot be streamed; retrieve it without 'stream'"

    assert client.get(path, params={"stream": "false"}).status_code == 200
    response = client.get(path, params={"stream": "true"})
    assert response.status_code == 400
    assert response.json() == error(text, kind="invalid_request_error", code="unsupported_parameter", param="stream")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_whole_response_of_a_wrapper_is_kept_by_its_own_id(app: Hayhooks, client: TestClient, stream: bool) -> None:
    item = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "theirs"}]}
    whole = {"id": "resp_theirs", "object": "response", "status": "completed", "output": [item], "model": "x"}
    seen: list[Any] = []

    def answer(model: str, input_items: Any, body: Any) -> Any:
        seen.append([part["content"] for part in input_items])
        return whole

    app.deploy("p", Answers(run_response=answer))
    if stream:
        assert stream_response(client, input="hi")[-1] == {"type": "response.completed", "response": whole}
    else:
        assert create_response(client, input="hi") == whole

    assert client.get("/v1/responses/resp_theirs").json() == whole
    create_response(client, input="on", previous_response_id="resp_theirs", store=False)
    assert seen == [["hi"], ["hi", item["content"], "on"]]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    "given",
    [{}, {"id": None}, {"id": ""}, {"id": ["a"]}, {"id": "resp_taken"}],
    ids=["none", "null", "empty", "list", "taken"],
)
def test_whole_response_without_an_id_of_its_own_is_kept_by_ours(
    app: Hayhooks, client: TestClient, given: JSON, stream: bool
) -> None:
    taken = {"id": "resp_taken", "object": "response", "output": [], "model": "first"}
    answers = iter([taken, {"object": "response", "output": [], **given}])
    app.deploy("p", Answers(run_response=lambda model, input_items, body: next(answers)))
    create_response(client)

    answer = stream_response(client)[-1]["response"] if stream else create_response(client)

    assert re.fullmatch("resp_[0-9a-f]{32}", answer["id"])
    assert client.get(f"/v1/responses/{answer['id']}").json() == answer
    assert client.get("/v1/responses/resp_taken").json()["model"] == "first"


def test_whole_response_without_a_list_of_output_is_none(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", Answers(run_response=returns({"id": "resp_1", "object": "response", "output": None})))
    response = client.post("/v1/responses", json={"model": "p"})
    text = "Unsupported response type from run_response"

    assert response.status_code == 500
    assert response.json() == error(text, kind="server_error", code="pipeline_failed")


@pytest.mark.parametrize("prefix", ["/v1", ""])
@pytest.mark.parametrize("stream", [False, True])
def test_response_can_be_retrieved_until_it_is_deleted(
    app: Hayhooks, client: TestClient, prefix: str, stream: bool
) -> None:
    app.deploy("p", Answers(run_response=streams("hello")))
    answer = stream_response(client)[-1]["response"] if stream else create_response(client)
    path = f"{prefix}/responses/{answer['id']}"

    assert client.get(path).json() == answer
    assert client.delete(path).json() == {"id": answer["id"], "object": "response", "deleted": True}
    for gone in (
        client.get(path),
        client.delete(path),
        client.post(f"{path}/cancel"),
        client.get(f"{path}/input_items"),
    ):
        assert (gone.status_code, gone.json()) == (404, not_found(answer["id"]))


@pytest.mark.parametrize("stream", [False, True])
def test_response_is_not_kept_if_the_client_says_so(app: Hayhooks, client: TestClient, stream: bool) -> None:
    app.deploy("p", Answers(run_response=streams("hello")))
    body = {"store": False}
    answer = stream_response(client, **body)[-1]["response"] if stream else create_response(client, **body)

    assert client.get(f"/v1/responses/{answer['id']}").status_code == 404


def test_response_that_failed_in_its_stream_is_not_kept(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", Answers(run_response=streams("half", ZeroDivisionError())))
    answer = stream_response(client)[-1]["response"]

    assert answer["status"] == "failed"
    assert client.get(f"/v1/responses/{answer['id']}").status_code == 404


def test_settings_bound_how_many_responses_are_kept() -> None:
    app = Hayhooks(settings=Settings(responses_kept=1))
    app.deploy("p", Answers(run_response=returns("hello")))
    with TestClient(app) as client:
        first, second = create_response(client), create_response(client)

        assert client.get(f"/v1/responses/{first['id']}").status_code == 404
        assert client.get(f"/v1/responses/{second['id']}").status_code == 200


def test_settings_bound_the_bytes_of_the_requests_that_are_kept() -> None:
    app = Hayhooks(settings=Settings(responses_size=3000))
    app.deploy("p", Answers(run_response=returns("hello")))
    with TestClient(app) as client:
        large, first, second = (create_response(client, input="x" * size) for size in (4000, 100, 100))

        found = [client.get(f"/v1/responses/{answer['id']}").status_code for answer in (large, first, second)]
    assert found == [404, 200, 200]


def test_settings_bound_the_bytes_of_a_conversation_with_its_answers() -> None:
    app = Hayhooks(settings=Settings(responses_size=10_000))
    app.deploy("p", Answers(run_response=returns("x" * 2000)))
    with TestClient(app) as client:
        answers = [create_response(client, input="hi")]
        for _ in range(4):
            answers.append(create_response(client, input="on", previous_response_id=answers[-1]["id"]))

        found = [client.get(f"/v1/responses/{answer['id']}").status_code for answer in answers]
    # The last one holds the other four, which make it as large as all may be together.
    assert found == [404, 404, 404, 404, 200]


def test_response_that_is_too_large_is_kept_until_the_next() -> None:
    app = Hayhooks(settings=Settings(responses_size=3000))
    app.deploy("p", Answers(run_response=returns("hello")))
    with TestClient(app) as client:
        path = f"/v1/responses/{create_response(client, input='x' * 4000, background=True)['id']}"
        wait_until(lambda: client.get(path).json().get("status") != "in_progress")
        assert client.get(path).json()["status"] == "completed"

        create_response(client)
        assert client.get(path).status_code == 404


def test_settings_say_how_long_responses_are_kept() -> None:
    app = Hayhooks(settings=Settings(responses_lifetime=0.03))
    app.deploy("p", Answers(run_response=returns("hello")))
    with TestClient(app) as client:
        path = f"/v1/responses/{create_response(client)['id']}"

        wait_until(lambda: client.get(path).status_code == 404)


ITEMS: list[JSON] = [
    {"role": "user", "content": "hi"},
    {"type": "message", "role": "assistant", "content": "yes?", "id": "msg_1"},
    {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c1", "output": "5"},
    {"type": "reasoning", "summary": []},
    {"type": "item_reference", "id": None},
    {"type": None, "role": "user", "content": [{"type": "input_text", "text": "ok"}]},
]
LISTED: list[JSON] = [
    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]},
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "yes?"}]},
    *ITEMS[2:5],
    {"type": "item_reference"},
    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "ok"}]},
]
PREFIXES = ["msg_", "msg_", "fc_", "fco_", "rs_", "item_", "msg_"]


def list_items(client: TestClient, id: str, query: str = "") -> JSON:
    response = client.get(f"/v1/responses/{id}/input_items{query}")
    assert response.status_code == 200
    page: JSON = response.json()
    return page


def test_input_items_are_listed_with_ids_newest_first(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", Answers(run_response=returns("hello")))
    answer = create_response(client, input=ITEMS)

    page = list_items(client, answer["id"])
    ids = [item.pop("id") for item in page["data"]][::-1]

    assert page == {
        "object": "list",
        "data": LISTED[::-1],
        "first_id": ids[-1],
        "last_id": ids[0],
        "has_more": False,
    }
    assert [id.startswith(prefix) for id, prefix in zip(ids, PREFIXES, strict=True)] == [True] * 7
    assert ids[1] == "msg_1"


def test_input_items_come_in_pages(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", Answers(run_response=returns("hello")))
    answer = create_response(client, input=ITEMS)
    ids = [item["id"] for item in list_items(client, answer["id"], "?order=asc")["data"]]

    def page(query: str) -> Any:
        found = list_items(client, answer["id"], query)
        return [ids.index(item["id"]) for item in found["data"]], found["has_more"]

    assert page("?order=asc&limit=3") == ([0, 1, 2], True)
    assert page(f"?order=asc&limit=3&after={ids[2]}") == ([3, 4, 5], True)
    assert page(f"?order=asc&limit=3&after={ids[5]}") == ([6], False)
    assert page(f"?limit=100&after={ids[1]}") == ([0], False)
    assert list_items(client, answer["id"], f"?after={ids[0]}") == {
        "object": "list",
        "data": [],
        "first_id": None,
        "last_id": None,
        "has_more": False,
    }


@pytest.mark.parametrize("limit", ["0", "101", "-1", "many", ""])
def test_limit_of_a_page_is_a_number_from_1_to_100(app: Hayhooks, client: TestClient, limit: str) -> None:
    app.deploy("p", Answers(run_response=returns("hello")))
    response = client.get(f"/v1/responses/{create_response(client)['id']}/input_items?limit={limit}")

    assert response.status_code == 400
    assert response.json() == error(
        "'limit' must be a number from 1 to 100",
        kind="invalid_request_error",
        code="invalid_value",
        param="limit",
    )


# Conversations


def remembering(seen: list[Any]) -> Answers:
    def run_response(model: str, input_items: list[JSON], body: JSON) -> str:
        seen.append([(item.get("role"), item["content"]) for item in input_items])
        # A wrapper may do with its arguments as it likes.
        input_items[-1]["content"] = "changed"
        input_items.clear()
        return f"answer {len(seen)}"

    return Answers(run_response=run_response)


def said(number: int) -> tuple[str, Any]:
    return ("assistant", [{"type": "output_text", "text": f"answer {number}", "annotations": []}])


def test_conversation_reaches_the_wrapper(app: Hayhooks, client: TestClient) -> None:
    seen: list[Any] = []
    app.deploy("p", remembering(seen))

    first = create_response(client, input="one")
    second = create_response(client, input="two", previous_response_id=first["id"])
    create_response(client, input=[{"role": "user", "content": "three"}], previous_response_id=second["id"])
    create_response(client, input="instead", previous_response_id=first["id"])

    assert second["previous_response_id"] == first["id"]
    assert seen == [
        [("user", "one")],
        [("user", "one"), said(1), ("user", "two")],
        [("user", "one"), said(1), ("user", "two"), said(2), ("user", "three")],
        [("user", "one"), said(1), ("user", "instead")],
    ]
    items = list_items(client, second["id"])["data"]
    assert [item["content"] for item in items] == [[{"type": "input_text", "text": "two"}]]


def test_conversation_goes_on_after_an_earlier_response_is_deleted(app: Hayhooks, client: TestClient) -> None:
    seen: list[Any] = []
    app.deploy("p", remembering(seen))

    first = create_response(client, input="one")
    second = create_response(client, input="two", previous_response_id=first["id"])
    client.delete(f"/v1/responses/{first['id']}")
    create_response(client, input="three", previous_response_id=second["id"])

    assert seen[2] == [("user", "one"), said(1), ("user", "two"), said(2), ("user", "three")]
