from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from hayhooks import Hayhooks
from tests.http.wrappers import CHAT, ECHO, deploy

JSON = {"content-type": "application/json"}
NOT_AN_OBJECT = "Input should be a valid dictionary or object to extract fields from"


@pytest.fixture(autouse=True)
def pipelines(app: Hayhooks, client: TestClient) -> None:
    deploy(app, ECHO, name="echo")
    deploy(app, CHAT, name="talk")


@pytest.fixture(params=["/echo/run", "/deploy", "/deploy_files", "/deploy-yaml", "/undeploy", "/v1/chat/completions"])
def path(request: pytest.FixtureRequest) -> Any:
    return request.param


def item(kind: str, message: str, **facts: Any) -> dict[str, Any]:
    return {"type": kind, "loc": ["body"], "msg": message, **facts}


def bad_json(position: int, error: str) -> dict[str, Any]:
    return {
        "type": "json_invalid",
        "loc": ["body", position],
        "msg": "JSON decode error",
        "input": {},
        "ctx": {"error": error},
    }


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b"", item("missing", "Field required", input=None), id="no-body"),
        pytest.param(b" \n", item("missing", "Field required", input=None), id="blank"),
        pytest.param(b"null", item("model_attributes_type", NOT_AN_OBJECT, input=None), id="null"),
        pytest.param(b"[1]", item("model_attributes_type", NOT_AN_OBJECT, input=[1]), id="list"),
        pytest.param(b'"x"', item("model_attributes_type", NOT_AN_OBJECT, input="x"), id="string"),
        pytest.param(b"{", bad_json(1, "Expecting property name enclosed in double quotes"), id="cut-off"),
        pytest.param(b'{"a" 1}', bad_json(5, "Expecting ':' delimiter"), id="no-colon"),
        pytest.param(b'{"a": "\\ud800"}', bad_json(0, "Invalid JSON"), id="half-a-character"),
    ],
)
def test_body_that_is_no_object_is_refused_everywhere_in_the_same_words(
    client: TestClient, path: str, body: bytes, expected: dict[str, Any]
) -> None:
    response = client.post(path, content=body, headers=JSON)

    assert (response.status_code, response.json()["detail"]) == (422, [expected])


def test_body_that_is_no_text_is_a_bad_request(client: TestClient, path: str) -> None:
    response = client.post(path, content=b'{"\xff"}', headers=JSON)

    assert (response.status_code, response.json()["detail"]) == (400, "There was an error parsing the body")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        pytest.param(b"[" * 100_000, "maximum recursion depth exceeded", id="too-deep"),
        pytest.param(b'{"text": %s}' % (b"1" * 5000), "Exceeds the limit (4300 digits)", id="too-many-digits"),
    ],
)
def test_json_that_python_cannot_read_is_refused(client: TestClient, path: str, body: bytes, error: str) -> None:
    response = client.post(path, content=body, headers=JSON)
    [found] = response.json()["detail"]

    assert (response.status_code, found["type"], found["loc"]) == (422, "json_invalid", ["body", 0])
    assert found["ctx"]["error"].startswith(error)


def test_json_parameter_that_does_not_parse_is_named(app: Hayhooks, client: TestClient) -> None:
    deploy(app, "from pydantic import Json\ndef run_api(self, a: Json[int]) -> int: return a")

    response = client.post("/p/run", json={"a": "{"})
    [found] = response.json()["detail"]

    assert (response.status_code, found["type"], found["loc"]) == (422, "json_invalid", ["body", "a"])


@pytest.mark.parametrize("kind", ["application/json", "application/vnd.x+json; charset=utf-8", "Application/JSON"])
def test_every_kind_of_json_is_read(client: TestClient, kind: str) -> None:
    run = client.post("/echo/run", content=b'{"text": "a"}', headers={"content-type": kind})
    undeploy = client.post("/undeploy", content=b'{"name": "echo"}', headers={"content-type": kind})

    assert (run.status_code, run.json()) == (200, {"result": "a"})
    assert (undeploy.status_code, undeploy.json()) == (200, {"success": True, "name": "echo"})


@pytest.mark.parametrize("headers", [{}, {"content-type": "text/plain"}], ids=["none", "text"])
def test_runs_and_chats_read_json_whatever_it_calls_itself(client: TestClient, headers: dict[str, str]) -> None:
    run = client.post("/echo/run", content=b'{"text": "a"}', headers=headers)
    chat = client.post("/chat/completions", content=b'{"model": "talk", "messages": []}', headers=headers)

    assert (run.status_code, run.json()) == (200, {"result": "a"})
    assert (chat.status_code, chat.json()["choices"][0]["message"]["content"]) == (200, "hello")


# A page of another origin may send such a body without asking the browser first (D40).
@pytest.mark.parametrize("headers", [{}, {"content-type": "text/plain"}], ids=["none", "text"])
@pytest.mark.parametrize("path", ["/deploy", "/deploy_files", "/deploy-yaml", "/undeploy"])
def test_changing_what_is_served_takes_a_body_that_says_it_is_json(
    app: Hayhooks, client: TestClient, path: str, headers: dict[str, str]
) -> None:
    response = client.post(path, content=b'{"name": "echo"}', headers=headers)
    [found] = response.json()["detail"]

    assert (response.status_code, found["type"], found["loc"]) == (422, "model_attributes_type", ["body"])
    assert list(app.deployments) == ["echo", "talk"]


def test_unknown_keys_are_ignored(client: TestClient) -> None:
    run = client.post("/echo/run", json={"text": "a", "other": 1})
    undeploy = client.post("/undeploy", json={"name": "echo", "other": 1})

    assert (run.status_code, run.json()) == (200, {"result": "a"})
    assert (undeploy.status_code, undeploy.json()) == (200, {"success": True, "name": "echo"})


def test_long_input_is_not_repeated_in_an_error(client: TestClient) -> None:
    short, long = (client.post("/echo/run", json={"text": "", "times": "x" * n}) for n in (500, 2000))

    found = {
        "type": "int_parsing",
        "loc": ["body", "times"],
        "msg": "Input should be a valid integer, unable to parse string as an integer",
    }
    assert short.json() == {"detail": [{**found, "input": "x" * 500}]}
    assert long.json() == {"detail": [found]}


def test_every_wrong_field_is_listed(client: TestClient) -> None:
    response = client.post("/echo/run", json={"times": "many"})

    assert response.status_code == 422
    assert [(found["type"], found["loc"]) for found in response.json()["detail"]] == [
        ("missing", ["body", "text"]),
        ("int_parsing", ["body", "times"]),
    ]


def test_text_of_a_validator_is_in_the_message_alone(client: TestClient) -> None:
    response = client.post("/deploy_files", json={"name": "a", "files": {}})

    assert response.status_code == 422
    assert response.json() == {
        "detail": [
            {
                "type": "value_error",
                "loc": ["body", "files"],
                "msg": "Value error, Missing required file: pipeline_wrapper.py",
                "input": {},
                "ctx": {"error": {}},
            }
        ]
    }


def test_numbers_are_read_from_text_but_text_not_from_numbers(client: TestClient) -> None:
    lax = client.post("/echo/run", json={"text": "a", "times": "2"})
    strict = client.post("/echo/run", json={"text": 1})

    assert (lax.status_code, lax.json()) == (200, {"result": "aa"})
    assert (strict.status_code, strict.json()["detail"][0]["type"]) == (422, "string_type")


@pytest.mark.parametrize(
    ("mistakes", "shown", "more"),
    [
        (50, 50, None),
        (51, 50, "1 more mistakes"),
        (1000, 50, "950 more mistakes"),
        (300_000, 0, "300000 mistakes, too many to be told one by one"),
    ],
)
def test_many_mistakes_are_counted(
    app: Hayhooks, client: TestClient, mistakes: int, shown: int, more: str | None
) -> None:
    deploy(app, "def run_api(self, numbers: list[int]) -> int: return 1")
    response = client.post("/p/run", json={"numbers": [None] * mistakes})
    detail = response.json()["detail"]

    assert response.status_code == 422
    assert [found["loc"] for found in detail[:shown]] == [["body", "numbers", index] for index in range(shown)]
    assert detail[shown:] == ([item("too_many_errors", more)] if more else [])
