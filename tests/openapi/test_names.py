"""Names of schemas in a document of several pipelines."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from hayhooks import Hayhooks
from tests.openapi.conftest import Deploy, Document


def model(name: str, **fields: Any) -> type[BaseModel]:
    kind = type(name, (BaseModel,), {"__annotations__": fields, "__module__": __name__})
    assert issubclass(kind, BaseModel)
    return kind


def taking(kind: Any) -> Any:
    def run(thing: Any) -> None: ...

    run.__annotations__["thing"] = kind
    return run


def schema_names(document: dict[str, Any], pipeline: str) -> list[str]:
    """Return the names of a pipeline's classes, from its parameter inwards."""
    schemas, names = document["components"]["schemas"], []
    found = schemas[f"{pipeline}RunRequest"]["properties"]["thing"]
    while "$ref" in found:
        names.append(found["$ref"].rpartition("/")[2])
        found = next(iter(schemas[names[-1]]["properties"].values()))
    return names


def test_same_class_in_two_pipelines_is_one_schema(deploy: Deploy, document: Document) -> None:
    deploy(taking(model("Item", x=int)), "a")
    deploy(taking(model("Item", x=int)), "b")
    found = document()

    assert (schema_names(found, "a"), schema_names(found, "b")) == (["Item"], ["Item"])


def test_different_classes_of_one_name_get_the_name_of_their_pipeline(deploy: Deploy, document: Document) -> None:
    deploy(taking(model("Item", x=int)), "a")
    deploy(taking(model("Item", x=str)), "b")
    found = document()

    assert (schema_names(found, "a"), schema_names(found, "b")) == (["aItem"], ["bItem"])
    assert "Item" not in found["components"]["schemas"]
    assert [found["components"]["schemas"][name]["title"] for name in ("aItem", "bItem")] == ["aItem", "bItem"]


def test_classes_that_differ_only_further_inside_are_different(deploy: Deploy, document: Document) -> None:
    deploy(taking(model("Outer", inner=model("Inner", x=int))), "a")
    deploy(taking(model("Outer", inner=model("Inner", x=str))), "b")
    deploy(taking(model("Other", inner=model("Inner", x=int))), "c")
    found = document()

    assert schema_names(found, "a") == ["aOuter", "aInner"]
    assert schema_names(found, "b") == ["bOuter", "bInner"]
    assert schema_names(found, "c") == ["Other", "cInner"]


def test_name_of_a_schema_of_the_server_stays_the_servers(deploy: Deploy, document: Document) -> None:
    before = document()["components"]["schemas"]
    for name in ("Error", "ChatRequest", "ValidationError", "ErrorObject"):
        deploy(taking(model(name, x=int)), f"p{name}")
    after = document()

    assert {name: after["components"]["schemas"][name] for name in before} == before
    assert schema_names(after, "pError") == ["pErrorError"]


def test_names_that_differ_in_odd_characters_only_stay_apart(deploy: Deploy, document: Document) -> None:
    deploy(taking(int), "é")
    deploy(taking(str), "ü")
    found = document()
    refs = [
        item["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        for path, item in found["paths"].items()
        if path.endswith("/run")
    ]

    assert refs == ["__RunRequest", "__RunRequest_2"]
    assert [found["components"]["schemas"][ref]["title"] for ref in refs] == ["éRunRequest", "üRunRequest"]


def test_class_may_be_called_like_a_request(deploy: Deploy, document: Document) -> None:
    deploy(taking(model("aRunRequest", x=int)), "a")
    deploy(taking(model("aRunRequest", x=int)), "b")
    found = document()

    assert len([path for path in found["paths"] if path.endswith("/run")]) == 2


def test_names_are_plain_again_when_the_other_pipeline_is_gone(
    app: Hayhooks, deploy: Deploy, document: Document
) -> None:
    deploy(taking(model("Item", x=int)), "a")
    deploy(taking(model("Item", x=str)), "b")
    document()
    app.undeploy("a")

    assert schema_names(document(), "b") == ["Item"]
