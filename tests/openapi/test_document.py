"""The document as a whole: what it lists, when it changes, where it says the server is (contract 2.1, 2.2, D33)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from pydantic import Field
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

import hayhooks
from hayhooks import BasePipelineWrapper, Hayhooks, Settings, log
from tests.openapi.conftest import Deploy, Document


class Chatting(BasePipelineWrapper):
    """Runs and chats."""

    def setup(self) -> None: ...

    def run_api(self, question: str, top_k: int = 3) -> str:
        """Ask "the" question.

        More about it.

        Args:
            question: What to ask.

        Returns:
            The answer.
        """
        return question * top_k

    def run_chat_completion(self, model: str, messages: list[dict[str, Any]], body: dict[str, Any]) -> str:
        return model


def echo(text: str) -> str:
    return text


def described(document: dict[str, Any]) -> set[str]:
    return {f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item}


def served(app: Hayhooks) -> set[str]:
    """Return all routes of the server, those of pipelines too."""
    found = {
        f"{method} {route.path_format}"
        for route in app.routes
        if isinstance(route, Route)
        for method in route.methods or ()
    }
    for name, deployment in app.deployments.items():
        found |= {
            f"{method} /{{pipeline_name}}/{route.path}" if "GET" in route.methods else f"{method} /{name}/{route.path}"
            for route in app.pipelines.routes_of(deployment)
            for method in route.methods
        }
    return {route for route in found if not route.startswith("HEAD ")}


@pytest.mark.parametrize("admin", [True, False], ids=["admin", "no-admin"])
def test_each_route_is_described_and_no_other(admin: bool) -> None:
    app = Hayhooks(admin=admin)
    app.deploy("qa", Chatting())

    pages = {"GET /docs", "GET /docs/", "GET /docs/assets/{name}", "GET /redoc", "GET /redoc/"}
    assert described(app.openapi()) == served(app) - {"GET /openapi.json"} - pages


def test_chat_of_a_pipeline_is_described_where_it_has_one(app: Hayhooks, deploy: Deploy) -> None:
    deploy(echo, "echo")

    assert [path for path in app.openapi()["paths"] if path.startswith("/echo/")] == ["/echo/run"]


def test_document_begins_as_upstreams(document: Document) -> None:
    found = document()

    assert (found["openapi"], list(found)) == ("3.1.0", ["openapi", "info", "tags", "paths", "components"])
    assert found["info"] == {
        "title": "Hayhooks",
        "description": "Deploys Haystack pipelines and serves them as REST APIs and OpenAI-compatible endpoints.",
        "version": hayhooks.__version__,
    }
    assert [tag["name"] for tag in found["tags"]] == ["status", "config", "pipelines", "openai"]


@pytest.mark.parametrize(
    ("route", "operation_id", "tag"),
    [
        ("GET /status", "status_all", "status"),
        ("GET /status/{pipeline_name}", "status_pipeline", "status"),
        ("POST /deploy_files", "pipeline_deploy", "config"),
        ("POST /deploy-yaml", "yaml_pipeline_deploy", "config"),
        ("POST /undeploy/{pipeline_name}", "pipeline_undeploy", "config"),
        ("GET /v1/models", "openai_models", "openai"),
        ("GET /models", "openai_models_alias", "openai"),
        ("POST /v1/chat/completions", "openai_chat_completions", "openai"),
        ("POST /chat/completions", "openai_chat_completions_alias", "openai"),
        ("POST /v1/responses", "openai_responses", "openai"),
        ("POST /responses", "openai_responses_alias", "openai"),
        ("POST /v1/files", "openai_files_create", "openai"),
        ("POST /files", "openai_files_create_alias", "openai"),
        ("POST /qa/run", "qa_run_qa_run_post", "pipelines"),
        ("GET /{pipeline_name}/schema", "pipeline_schema", "pipelines"),
        ("GET /{pipeline_name}/example", "pipeline_example", "pipelines"),
    ],
    ids=lambda value: value if "_" in value else "",
)
def test_operation_has_its_id_and_tag_and_upstreams_where_it_has_it(route: str, operation_id: str, tag: str) -> None:
    app = Hayhooks()
    app.deploy("qa", Chatting())
    method, path = route.split()
    operation = app.openapi()["paths"][path][method.lower()]

    assert (operation["operationId"], operation["tags"]) == (operation_id, [tag])


def test_run_of_a_pipeline_is_described_whole(app: Hayhooks, document: Document) -> None:
    app.deploy("qa", Chatting())
    found = document()
    run = found["paths"]["/qa/run"]["post"]

    assert {key: run[key] for key in run if key not in ("requestBody", "responses")} == {
        "tags": ["pipelines"],
        "summary": "Qa Run",
        "description": 'Ask "the" question.',
        "operationId": "qa_run_qa_run_post",
    }
    assert run["requestBody"] == {
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/qaRunRequest"},
                "example": {"question": "text", "top_k": 3},
            }
        },
        "required": True,
    }
    assert list(run["responses"]) == ["200", "400", "404", "422", "429", "500", "502", "504"]
    assert run["responses"]["200"] == {
        "description": "Successful Response",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/qaRunResponse"}}},
    }
    assert found["components"]["schemas"]["qaRunRequest"] == {
        "title": "qaRunRequest",
        "type": "object",
        "properties": {
            "question": {"title": "Question", "type": "string", "description": "What to ask."},
            "top_k": {"title": "Top K", "type": "integer", "default": 3, "description": "Parameter 'top_k'"},
        },
        "required": ["question"],
    }
    assert found["components"]["schemas"]["qaRunResponse"] == {
        "title": "qaRunResponse",
        "type": "object",
        "properties": {"result": {"title": "Result", "type": "string", "description": "The answer."}},
        "required": ["result"],
    }


def test_document_follows_deploys_and_undeploys(app: Hayhooks, deploy: Deploy, document: Document) -> None:
    def other(number: int) -> int:
        return number

    def properties() -> Any:
        schema = document()["components"]["schemas"].get("pRunRequest")
        return schema and list(schema["properties"])

    seen = [properties()]
    deploy(echo)
    seen.append(properties())
    deploy(other)
    seen.append(properties())
    app.undeploy("p")

    assert [*seen, properties()] == [None, ["text"], ["number"], None]


def test_document_is_a_dictionary_in_python(app: Hayhooks, client: TestClient, deploy: Deploy) -> None:
    deploy(echo)

    assert app.openapi() == client.get("/openapi.json").json()


@pytest.mark.parametrize("path", ["/openapi.json", "/proxy/openapi.json"], ids=["stripped", "not-stripped"])
def test_root_path_is_the_server_of_the_document(path: str) -> None:
    app = Hayhooks(settings=Settings(root_path="/proxy"))

    assert TestClient(app).get(path).json()["servers"] == [{"url": "/proxy"}]
    assert app.openapi()["servers"] == [{"url": "/proxy"}]


def test_mounted_application_names_where_it_is_mounted() -> None:
    app = Hayhooks()
    app.deploy("qa", Chatting())
    host = Starlette(routes=[Mount("/ai", app=app)])

    document = TestClient(host).get("/ai/openapi.json").json()
    answer = TestClient(host).post(f"{document['servers'][0]['url']}/qa/run", json={"question": "x"})

    assert document["servers"] == [{"url": "/ai"}]
    assert answer.json() == {"result": "xxx"}


def test_routes_of_a_host_are_not_described() -> None:
    async def hello(request: Request) -> PlainTextResponse:
        return PlainTextResponse("hello")

    app = Hayhooks(routes=[Route("/hello", hello), Route("/files/own", hello, name="hello")])

    assert [path for path in app.openapi()["paths"] if "hello" in path or "own" in path] == []


NAMES = ["a-b", "a_b", "a b", "é", "日本", "{x}", "{pipeline_name}", "a%2Fb", "a?b#c", 'quote"d', "status", "x" * 200]


def test_pipelines_of_any_name_are_described(deploy: Deploy, client: TestClient, document: Document) -> None:
    for name in NAMES:
        deploy(echo, name)
    paths = {path: item["post"] for path, item in document()["paths"].items() if path.endswith("/run")}

    ids = [operation["operationId"] for operation in paths.values()]
    assert ids[:5] == [
        "a_b_run_a_b_run_post",
        "a_b_2_run_a_b_2_run_post",
        "a_b_3_run_a_b_3_run_post",
        "é_run_é_run_post",
        "日本_run_日本_run_post",
    ]
    assert len(set(ids)) == len(paths) == len(NAMES)
    assert [path for path in paths if re.search(r"[^\w/%.~-]|[^\x00-\x7f]", path)] == []


def fails(error: BaseException) -> Callable[..., Any]:
    def fail(*args: Any) -> Any:
        raise error

    return fail


class Raises:
    __get_pydantic_core_schema__ = classmethod(lambda cls, source, handler: handler.generate_schema(int))
    __get_pydantic_json_schema__ = classmethod(fails(RuntimeError("no schema")))


class Exits:
    __get_pydantic_core_schema__ = classmethod(lambda cls, source, handler: handler.generate_schema(int))
    __get_pydantic_json_schema__ = classmethod(fails(SystemExit()))


class Lies:
    """Has a schema that is none."""

    __get_pydantic_core_schema__ = classmethod(lambda cls, source, handler: handler.generate_schema(int))
    __get_pydantic_json_schema__ = classmethod(
        lambda cls, schema, handler: {
            "type": "upload",
            "properties": [],
            "title": 5,
            "$ref": "#/nowhere",
            "items": {"type": ["string", "string"]},
            "description": object(),
        }
    )


class Endless:
    """Has a schema that holds itself."""

    __get_pydantic_core_schema__ = classmethod(lambda cls, source, handler: handler.generate_schema(int))

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        found: dict[str, Any] = {"type": "object"}
        found["properties"] = {"again": found}
        return found


class Unknown:
    """Is nothing that pydantic knows."""


ODD = [Raises, Exits, Lies, Endless, Unknown, Callable[[int], int]]


def test_odd_types_harm_no_other_pipeline(deploy: Deploy, document: Document) -> None:
    for number in range(100):
        deploy(echo, f"good{number}")
    for kind in ODD:

        def odd(text: str, thing: Any, more: int = 1) -> str:
            return text

        odd.__annotations__["thing"] = kind
        deploy(odd, f"odd{ODD.index(kind)}")
    found = document()

    runs = [path for path in found["paths"] if path.endswith("/run")]
    assert len(runs) == 106
    assert found["components"]["schemas"]["good99RunRequest"]["properties"] == {
        "text": {"title": "Text", "type": "string", "description": "Parameter 'text'"}
    }


def test_type_without_a_schema_is_free_form_and_says_so(deploy: Deploy, document: Document) -> None:
    def run(text: str, call: Callable[[int], int], thing: Unknown) -> Unknown:
        return thing

    deploy(run)
    schemas = document()["components"]["schemas"]

    assert schemas["pRunRequest"]["properties"] == {
        "text": {"title": "Text", "type": "string", "description": "Parameter 'text'"},
        "call": {
            "title": "Call",
            "description": "Parameter 'call'. Any value. Its type has no JSON Schema (callable).",
        },
        "thing": {
            "title": "Thing",
            "description": "Parameter 'thing'. Any value. An object of the class Unknown, which has no JSON Schema.",
        },
    }
    assert schemas["pRunResponse"]["properties"] == {
        "result": {
            "title": "Result",
            "description": "Any value. An object of the class Unknown, which has no JSON Schema.",
        }
    }


def test_what_fails_in_a_pipelines_own_code_is_logged_once(app: Hayhooks, client: TestClient, deploy: Deploy) -> None:
    def run(thing: Exits) -> None: ...

    run.__annotations__["thing"] = Exits
    deploy(run)
    lines: list[str] = []
    sink = log.add(lines.append, format="{message}", level="WARNING")
    log.enable("hayhooks")
    try:
        schemas = [client.get("/p/schema").json() for _ in range(2)]
        app.openapi()
    finally:
        log.remove(sink)
        log.disable("hayhooks")

    assert [line.splitlines()[0] for line in lines] == ["Pipeline 'p' has no JSON Schema: SystemExit"]
    assert schemas[0] == schemas[1]
    assert schemas[0]["request"] == {
        "title": "pRunRequest",
        "type": "object",
        "description": "Any value. The types of this pipeline have no JSON Schema; see its source.",
    }


class Unwritable:
    """Is nothing that JSON has, and says nothing either."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_example_of_the_users_that_cannot_be_written_harms_nobody(
    client: TestClient, deploy: Deploy, document: Document
) -> None:
    def run(thing: Any) -> None: ...

    extra: Any = {"examples": [Unwritable()]}
    run.__annotations__["thing"] = Annotated[int, Field(json_schema_extra=extra)]
    deploy(run)
    deploy(echo, "echo")

    assert client.get("/p/schema").json()["request"]["title"] == "pRunRequest"
    assert {"/p/run", "/echo/run"} <= set(document()["paths"])


@pytest.mark.parametrize(("method", "status"), [("GET", 200), ("HEAD", 200), ("POST", 405)])
@pytest.mark.parametrize("path", ["/openapi.json", "/p/schema", "/p/example"])
def test_what_is_described_is_read_only(
    client: TestClient, deploy: Deploy, path: str, method: str, status: int
) -> None:
    deploy(echo)

    assert client.request(method, path).status_code == status
