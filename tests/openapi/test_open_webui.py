"""The document as Open WebUI's tool server connection reads it, and the tools that it makes."""

from __future__ import annotations

import copy
from typing import Any, Literal

from pydantic import BaseModel
from starlette.testclient import TestClient

from hayhooks import Hayhooks
from tests.openapi.conftest import Deploy
from tests.openapi.test_document import ODD, Chatting, echo
from tests.openapi.test_schemas import ANNOTATIONS, Item


def resolve(schema: Any, components: dict[str, Any]) -> Any:
    """Put schemas in the place of references, below `properties` and `items` and nowhere else.

    It has no eye for references that go in a circle, and expects each schema to be a mapping.
    """
    if not schema:
        return {}
    if "$ref" in schema:
        found: Any = components
        for part in schema["$ref"].strip("#/").split("/")[1:]:
            found = found.get(part, {})
        return resolve(found, components)
    resolved = copy.deepcopy(schema)
    for name, inner in resolved.get("properties", {}).items():
        resolved["properties"][name] = resolve(inner, components)
    if "items" in resolved:
        resolved["items"] = resolve(resolved["items"], components)
    return resolved


def make_tools(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the tools by name: each operation with an id is one."""
    tools: dict[str, dict[str, Any]] = {}
    for item in document["paths"].values():
        for operation in item.values():
            properties, required = {}, []
            for parameter in operation.get("parameters", []):
                schema = parameter["schema"]
                text = schema.get("description") or parameter.get("description") or ""
                text += f". Possible values: {', '.join(schema['enum'])}" if schema.get("enum") else ""
                properties[parameter["name"]] = {"type": schema["type"], "description": text}
                required += [parameter["name"]] if parameter.get("required") else []
            content = operation.get("requestBody", {}).get("content", {})
            if "application/json" in content:
                body = resolve(content["application/json"]["schema"], document["components"])
                properties.update(body.get("properties", {}))
                required += body.get("required", [])
            description = operation.get("description", operation.get("summary", "No description available."))
            assert operation["operationId"] not in tools
            tools[operation["operationId"]] = {
                "description": description,
                "parameters": {"type": "object", "properties": properties, "required": required},
            }
    return tools


class Search(BaseModel):
    words: list[str]
    kind: Literal["all", "any"] = "all"
    items: list[Item] = []


def search(query: Search, limit: int = 10) -> int:
    """Search the documents.

    Args:
        query: What to look for.
        limit: How many are found.
    """
    return limit


def test_pipeline_becomes_a_tool_that_can_be_called(client: TestClient, deploy: Deploy) -> None:
    deploy(search, "search")
    tool = make_tools(client.get("/openapi.json").json())["search_run_search_run_post"]

    assert tool["description"] == "Search the documents."
    assert tool["parameters"] == {
        "type": "object",
        "properties": {
            "query": {
                "title": "Search",
                "type": "object",
                "properties": {
                    "words": {"title": "Words", "type": "array", "items": {"type": "string"}},
                    "kind": {"title": "Kind", "type": "string", "enum": ["all", "any"], "default": "all"},
                    "items": {
                        "title": "Items",
                        "type": "array",
                        "items": {
                            "title": "Item",
                            "type": "object",
                            "properties": {"x": {"title": "X", "type": "integer", "minimum": 3}},
                            "required": ["x"],
                        },
                        "default": [],
                    },
                },
                "required": ["words"],
            },
            "limit": {"title": "Limit", "type": "integer", "description": "How many are found.", "default": 10},
        },
        "required": ["query"],
    }


def test_every_operation_becomes_a_tool_whatever_the_types_are(app: Hayhooks, deploy: Deploy) -> None:
    app.deploy("qa", Chatting())
    for number, kind in enumerate([*(param.values[0] for param in ANNOTATIONS), *ODD]):

        def run(thing: Any) -> Any:
            return thing

        run.__annotations__["thing"] = kind
        deploy(run, f"odd{number}")
    deploy(echo, "echo")
    tools = make_tools(app.openapi())

    assert {"status_all", "openai_chat_completions", "qa_chat_completions_qa_chat_completions_post"} <= set(tools)
    assert len([name for name in tools if name.startswith("odd")]) == len(ANNOTATIONS) + len(ODD)
    assert tools["echo_run_echo_run_post"] == {
        "description": "Echo Run",
        "parameters": {
            "type": "object",
            "properties": {"text": {"title": "Text", "type": "string", "description": "Parameter 'text'"}},
            "required": ["text"],
        },
    }
