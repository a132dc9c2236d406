"""What the document says of keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from openapi_spec_validator import validate

from hayhooks import Hayhooks, Settings
from hayhooks.security.key_file import KeyFile
from hayhooks.security.keys import Key, digest_of
from tests.security.conftest import API_KEYS, Whoami


def document(app: Hayhooks) -> dict[str, Any]:
    app.deploy("other", Whoami(), overwrite=True)
    return app.openapi()


def test_document_names_both_ways_to_send_a_key() -> None:
    found = document(Hayhooks(settings=Settings(api_keys=API_KEYS)))

    validate(found)
    assert found["security"] == [{"bearer": []}, {"header": []}]
    assert found["components"]["securitySchemes"] == {
        "bearer": {"type": "http", "scheme": "bearer", "description": "An API key."},
        "header": {
            "type": "apiKey",
            "in": "header",
            "name": "X-API-Key",
            "description": "The same, in a header of its own.",
        },
    }


def test_operations_tell_what_happens_without_a_key() -> None:
    paths = document(Hayhooks(settings=Settings(api_keys=API_KEYS)))["paths"]
    operations = {f"{method} {path}": found for path, item in paths.items() for method, found in item.items()}
    public = [operations.pop(f"get {path}") for path in ("/health", "/ready")]
    refusal = operations["post /other/run"]["responses"]["401"]
    chat = operations["post /other/chat/completions"]["responses"]["403"]

    assert [(found["security"], list(found["responses"])) for found in public] == [([], ["200"]), ([], ["200", "503"])]
    assert [name for name, found in operations.items() if "security" in found] == []
    assert [name for name, found in operations.items() if not {"401", "403", "429"} <= set(found["responses"])] == []
    assert refusal == {
        "description": "An API key is needed, and none that is valid was sent",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
    assert chat["content"] == {"application/json": {"schema": {"$ref": "#/components/schemas/OpenAIError"}}}


def test_document_without_keys_says_nothing_of_them() -> None:
    found = document(Hayhooks())

    assert "security" not in found and "securitySchemes" not in found["components"]
    assert "401" not in found["paths"]["/other/run"]["post"]["responses"]


def test_document_changes_with_the_first_key(tmp_path: Path) -> None:
    app = Hayhooks(settings=Settings(key_file=tmp_path / "keys.json"))
    before = document(app)
    KeyFile(tmp_path / "keys.json").add(Key("ci", digest_of("a")))
    # Any key that is not known makes the server look at the file.
    app.access.keys.find("b")
    after = document(app)

    assert ("security" in before, "security" in after) == (False, True)
    assert "401" in after["paths"]["/other/run"]["post"]["responses"]
