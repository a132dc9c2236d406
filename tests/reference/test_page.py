from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pytest

from tests.reference.reading import operation, rendered, taking

SHOP: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Shop", "version": "1.2", "description": "All about *books*."},
    "tags": [{"name": "b", "description": "Comes first"}, {"name": "unused"}],
    "paths": {
        "/status/{name}": {
            "parameters": [{"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}],
            "get": {
                "tags": ["a"],
                "summary": "Tell the status",
                "parameters": [{"$ref": "#/components/parameters/Limit"}],
                "responses": {"200": {"description": "Fine", "content": {"text/plain": {"example": "up"}}}},
            },
        },
        "/qa/run": {
            "post": {
                "tags": ["b", "a"],
                "operationId": "qa_run",
                "deprecated": True,
                "description": "Answer.\n\nAs well as it can.",
                "requestBody": {"$ref": "#/components/requestBodies/Qa"},
                "responses": {
                    "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Book"}}}},
                    "422": {"description": "No", "content": {"application/json": {"schema": {"type": "object"}}}},
                },
            }
        },
    },
    "components": {
        "parameters": {"Limit": {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 9}}},
        "requestBodies": {"Qa": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Book"}}}}},
        "schemas": {
            "Book": {
                "type": "object",
                "required": ["title"],
                "properties": {
                    "title": {"type": "string", "description": "Its name"},
                    "sequels": {"type": "array", "items": {"$ref": "#/components/schemas/Book"}},
                },
            }
        },
    },
}


def test_operation_is_shown_with_all_that_a_caller_needs() -> None:
    assert rendered(SHOP).text("post-qa-run") == (
        "POST /qa/run deprecated Answer. As well as it can. "
        "Body application/json Book "
        "name type meaning title required string Its name sequels array of Book "
        "Request curl http://localhost:1416/qa/run \\ "
        "-H 'Content-Type: application/json' \\ -d BODY "
        "Answers 200 application/json Book name type meaning title string Its name sequels array of Book "
        "422 No application/json object"
    )


def test_parameters_of_path_and_operation_are_shown() -> None:
    assert rendered(SHOP).text("get-status-name") == (
        "GET /status/{name} Tell the status "
        "Parameters name type meaning name in path required string limit in query integer at most 9 "
        "Request curl -N http://localhost:1416/status/NAME Answers 200 Fine text/plain up"
    )


def test_index_lists_the_operations_by_their_first_tag_in_the_order_of_the_document() -> None:
    page = rendered(SHOP)

    assert [link for link in page.links if link.startswith("#")][:7] == [
        *("#top", "#tag-b", "#post-qa-run", "#tag-a", "#get-status-name"),
        *("#schemas", "#schema-Book"),
    ]


def test_head_of_the_page_tells_what_is_described_and_where_else() -> None:
    page = rendered(SHOP, server="https://books.example/ai")

    assert "Shop 1.2 All about books. Served at https://books.example/ai." in page.text()
    assert {"./docs", "./openapi.json"} <= set(page.links)


def test_links_within_the_page_lead_somewhere_and_ids_are_unique() -> None:
    document = copy.deepcopy(SHOP)
    document["paths"] |= {"/qa-run": SHOP["paths"]["/qa/run"], "/日本/run": SHOP["paths"]["/qa/run"]}
    page = rendered(document)

    assert len(page.ids) == len(set(page.ids))
    assert {unquote(link[1:]) for link in page.links if link.startswith("#")} <= set(page.ids)
    assert {"post-qa-run", "post-qa-run-2", "post-日本-run"} <= set(page.ids)


def test_page_loads_its_own_files_alone_and_no_script() -> None:
    page = rendered(SHOP)

    assert page.loaded == ["./docs/assets/reference.css", "./docs/assets/favicon-32x32.png"]
    assert "script" not in page.tags


EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&{{ 7 * 7 }}"


def places(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to everything in a document."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def replaced(document: Any, path: tuple[Any, ...], value: object) -> Any:
    """Return a copy of a document with another value in one place."""
    if not path:
        return value
    changed = copy.copy(document)
    changed[path[0]] = replaced(document[path[0]], path[1:], value)
    return changed


ALL_PLACES = [path for path in places(SHOP) if path]


def test_text_of_the_document_never_becomes_markup() -> None:
    plain = set(rendered(SHOP).tags) | {"hr"}
    texts = [path for path in ALL_PLACES if isinstance(get(SHOP, path), str)]

    for path in texts:
        page = rendered(replaced(SHOP, path, EVIL))
        assert (path, set(page.tags) - plain) == (path, set())
        assert page.loaded == ["./docs/assets/reference.css", "./docs/assets/favicon-32x32.png"]


def get(document: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        document = document[key]
    return document


def test_names_never_become_markup() -> None:
    schema = {"type": "object", "properties": {EVIL: {"$ref": "#/components/schemas/" + EVIL.replace("/", "~1")}}}
    document = operation(
        tags=[EVIL],
        requestBody=taking(schema),
        responses={EVIL: {"content": {EVIL: {"schema": {"enum": [EVIL], "default": EVIL, "pattern": EVIL}}}}},
        schemas={EVIL: {"anyOf": [{"type": "string"}, {"type": "object", "properties": {EVIL: {}}}]}},
    )
    document["paths"][f"/{EVIL}"] = document["paths"]["/p/run"]
    page = rendered(document, server=EVIL)

    assert not {"script", "img"} & set(page.tags)
    assert page.text().count(" ".join(EVIL.split())) > 5


@pytest.mark.parametrize(
    ("description", "text", "links"),
    [
        pytest.param("Two\n\nparts", "Two parts", [], id="paragraphs"),
        pytest.param("- one\n- `two`", "one two", [], id="list"),
        pytest.param("# Loud\n\nquiet", "Loud quiet", [], id="heading"),
        pytest.param("[here](https://a.example/x)", "here", ["https://a.example/x"], id="link"),
        pytest.param("[here](javascript:alert(1))", "[here](javascript:alert(1))", [], id="script-link"),
        pytest.param("![eye](https://a.example/x.png)", "! eye", ["https://a.example/x.png"], id="picture"),
        pytest.param("<b>bold</b>", "<b>bold</b>", [], id="html"),
        pytest.param("half \ud83d", "half \ud83d", [], id="surrogate"),
    ],
)
def test_markdown_in_a_description_is_shown_without_harm(description: str, text: str, links: list[str]) -> None:
    page = rendered(operation(description=description))

    assert page.text("post-p-run").startswith(f"POST /p/run {text} Request curl ")
    assert [link for link in page.links if link[0] not in "#."] == links
    assert not {"h1", "img"} & set(page.tags[page.tags.index("article") :])


@pytest.mark.parametrize("value", [None, True, 1.5, "x", [], [1, "x", None, {}], {}, {"$ref": "#/nowhere"}], ids=repr)
def test_odd_value_anywhere_in_the_document_is_no_error(value: object) -> None:
    for path in ALL_PLACES:
        page = rendered(replaced(SHOP, path, value))
        assert page.tags.count("main") == 1, path


def test_document_without_anything_is_a_page() -> None:
    assert rendered({}).text("top") == (
        "API Served at http://localhost:1416. The same as a page to try requests on and as OpenAPI document. "
        "The document holds no operation."
    )


def test_five_hundred_pipelines_stay_a_page_of_a_few_megabytes() -> None:
    document = {**SHOP, "paths": {f"/p{number}/run": SHOP["paths"]["/qa/run"] for number in range(500)}}
    document["components"] = {"schemas": {"Book": SHOP["components"]["schemas"]["Book"]}}
    document["paths"] = {
        path: {"post": {**item["post"], "requestBody": SHOP["components"]["requestBodies"]["Qa"]}}
        for path, item in document["paths"].items()
    }
    page = rendered(document)

    assert page.tags.count("article") == 501
    assert len(page.text()) < 500_000
