from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from hayhooks import Hayhooks
from hayhooks.errors import PipelineWrapperError
from tests.http.wrappers import deploy

BODY = {"model": "p", "messages": []}


@pytest.mark.parametrize(
    "parameter",
    [
        "headers: Headers | None = None",
        "headers: None | Headers = None",
        "headers: Optional[Headers] = None",
        "headers: Union[Headers, None] = None",
        "headers: 'Headers | None' = None",
        "*, headers: Headers | None = None",
        "other: int = 1, headers: Headers | None = None",
    ],
)
@pytest.mark.parametrize("kind", ["def run_api", "async def run_api_async"], ids=["sync", "async"])
def test_run_method_gets_the_headers_it_declares(app: Hayhooks, client: TestClient, kind: str, parameter: str) -> None:
    deploy(app, f"{kind}(self, {parameter}) -> list: return [type(headers).__name__, headers['x-user']]")

    response = client.post("/p/run", json={"headers": "from the body"}, headers={"X-User": "me"})

    assert (response.status_code, response.json()) == (200, {"result": ["Headers", "me"]})


@pytest.mark.parametrize(
    "kind", ["def run_chat_completion", "async def run_chat_completion_async"], ids=["sync", "async"]
)
def test_chat_method_gets_the_headers_it_declares(app: Hayhooks, client: TestClient, kind: str) -> None:
    deploy(app, f"{kind}(self, model, messages, body, headers: Headers | None = None): return headers['x-user']")

    response = client.post("/v1/chat/completions", json=BODY, headers={"X-User": "me"})

    assert response.json()["choices"][0]["message"]["content"] == "me"


def test_upload_wrapper_gets_the_headers_it_declares(app: Hayhooks, client: TestClient) -> None:
    deploy(
        app,
        "def run_api(self, files: List[UploadFile], headers: Headers | None = None) -> str: return headers['X-USER']",
    )

    response = client.post("/p/run", files={"files": b"x"}, data={"headers": "no"}, headers={"x-user": "me"})

    assert (response.status_code, response.json()) == (200, {"result": "me"})


@pytest.mark.parametrize(
    "parameter",
    [
        pytest.param("headers: Headers", id="required-and-not-optional"),
        pytest.param("headers: Headers = None", id="not-optional"),
        pytest.param("headers: Headers | None", id="required"),
        pytest.param("headers: Headers | None = None, /", id="positional-only"),
        pytest.param("headers: Headers | str | None = None", id="wider-union"),
        pytest.param("*headers: Headers", id="var-positional"),
    ],
)
@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("run_api", "def run_api(self, {}) -> str: return ''"),
        ("run_chat_completion", "def run_chat_completion(self, model, messages, body, {}): return ''"),
        ("run_response", "async def run_response_async(self, model, input_items, body, {}): return ''"),
    ],
    ids=["run", "chat", "responses"],
)
def test_any_other_declaration_of_headers_is_refused(app: Hayhooks, name: str, head: str, parameter: str) -> None:
    with pytest.raises(PipelineWrapperError) as raised:
        deploy(app, head.format(parameter))

    assert str(raised.value) == (
        f"{name}: request headers must be declared as a keyword parameter 'headers: Headers | None = None'"
    )


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        pytest.param("headers: dict", {"a": "b"}, id="another-type"),
        pytest.param("headers: Any = None", {"a": "b"}, id="any-type"),
        pytest.param("**headers: Any", {"headers": {"a": "b"}}, id="keywords"),
    ],
)
def test_parameter_named_headers_of_another_type_is_a_body_field(
    app: Hayhooks, client: TestClient, parameter: str, expected: Any
) -> None:
    deploy(app, f"def run_api(self, {parameter}) -> dict: return headers")

    assert client.post("/p/run", json={"headers": {"a": "b"}}).json() == {"result": expected}


def test_keywords_do_not_opt_in_to_headers(app: Hayhooks, client: TestClient) -> None:
    deploy(app, "def run_api(self, **kwargs: Any) -> dict: return kwargs")

    assert client.post("/p/run", json={}).json() == {"result": {}}
