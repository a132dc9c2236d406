"""From pydantic's types to JSON Schema (2020-12, as OpenAPI 3.1 uses it), whatever the types are.

A type that has no JSON Schema, as a function or a class of the user's, becomes `{}` with a
note in its description, right where it stands: the rest of the schema stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import CoreRef, DefsRef, GenerateJsonSchema, JsonSchemaMode
from pydantic_core import PydanticOmit
from starlette.datastructures import UploadFile

from hayhooks.openapi.keywords import DEFINITIONS, JsonSchema, renamed, tidied
from hayhooks.openapi.names import Origin, reachable, retitled, short_names

UPLOAD: JsonSchema = {"type": "string", "format": "binary"}
"""An upload, in a form."""

# Of classes whose schemas, where every field is optional, tell little.
_HAYSTACK_EXAMPLES: dict[str, Any] = {
    "Document": {"content": "Hayhooks serves Haystack pipelines.", "meta": {"source": "docs"}},
    "ChatMessage": {"_role": "user", "_content": [{"text": "What does Hayhooks do?"}]},
}


@dataclass(frozen=True)
class Definitions:
    """Schemas that share their definitions; refers to these as `#/$defs/…`."""

    schemas: Mapping[str, JsonSchema]
    """By the keys of what was asked for."""
    shared: Mapping[str, JsonSchema]
    """By their names, which are made of letters, digits, `.`, `-` and `_`."""


def define(*, read: Mapping[str, TypeAdapter[Any]], written: Mapping[str, TypeAdapter[Any]]) -> Definitions:
    """Return the schemas of types as they are read, and of others as they are written.

    A type that differs between the two gets two definitions, `…-Input` and `…-Output`.
    """
    generator = LenientJsonSchema()
    schemas = {key: generator.schema_of(adapter, "validation") for key, adapter in read.items()}
    schemas |= {key: generator.schema_of(adapter, "serialization") for key, adapter in written.items()}
    found: dict[str, JsonSchema] = {str(name): schema for name, schema in generator.definitions.items()}
    found = {name: tidied(schema, found) for name, schema in found.items()}
    names = short_names(found, generator.origins)
    shared = {
        names[name]: retitled(
            renamed(schema, names, prefix=DEFINITIONS), generator.origins[name].short_name, names[name]
        )
        for name, schema in found.items()
    }
    return Definitions(
        {key: renamed(tidied(schema, found), names, prefix=DEFINITIONS) for key, schema in schemas.items()},
        _unrolled(shared),
    )


class LenientJsonSchema(GenerateJsonSchema):
    """Gives a free-form schema for what has none, and one for uploads."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default", "skipped-discriminator"}

    def __init__(self) -> None:
        super().__init__()
        self.origins: dict[str, Origin] = {}
        """Where definitions come from, by their long names."""

    def schema_of(self, adapter: TypeAdapter[Any], mode: JsonSchemaMode) -> JsonSchema:
        """Return the schema of a type, whose definitions join those that are there."""
        # As `generate_definitions()` does, whose search for short names takes most of its time.
        self._mode = mode
        return self.generate_inner(adapter.core_schema)

    def get_defs_ref(self, core_mode_ref: tuple[CoreRef, JsonSchemaMode]) -> DefsRef:
        """Return a long name for a definition: of its type's module, name and id, and the mode."""
        reference, mode = core_mode_ref
        name = self.normalize_name(f"{reference}-{mode}")
        # As in `module.Page:94[module.Item:95]`: without ids, and without what stands before the last dot.
        short = re.sub(r"(?:[^.[\],]+\.)+", "", re.sub(r":\d+", "", reference))
        self.origins[name] = Origin(self.normalize_name(short), reference, mode)
        return DefsRef(name)

    def generate_inner(self, schema: Any) -> JsonSchema:
        """Return the schema of a part; where the user's own code for it fails, a free-form one."""
        try:
            found = super().generate_inner(schema)
            reference = found.get("$ref")
            if isinstance(reference, str) and reference.startswith("#") and reference not in self.json_to_defs_refs:
                # The user's own, to a definition that is not there: pydantic would look for it further out.
                found = {key: value for key, value in found.items() if key != "$ref"}
            note, description = found.get("$comment"), found.get("description")
            # The description of a parameter takes the place of that of its type.
            if note is None or not isinstance(description, str) or note in description:
                return found
            return {**found, "description": f"{description.removesuffix('.')}. {note}"}
        except PydanticOmit:
            raise
        except Exception as exc:
            return free_form(f"Its type has no JSON Schema ({type(exc).__name__})")

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> JsonSchema:
        """Return a free-form schema for a type that JSON does not have."""
        return free_form(f"Its type has no JSON Schema ({schema['type']})")

    def is_instance_schema(self, schema: Any) -> JsonSchema:
        """Return the schema of a class that pydantic only checks for."""
        wanted = schema["cls"]
        if isinstance(wanted, type) and issubclass(wanted, UploadFile):
            return dict(UPLOAD)
        return free_form(f"An object of the class {getattr(wanted, '__name__', wanted)}, which has no JSON Schema")

    def dataclass_schema(self, schema: Any) -> JsonSchema:
        """Return the schema of a dataclass, with an example for those of Haystack."""
        found, kind = super().dataclass_schema(schema), schema["cls"]
        if kind.__module__.startswith("haystack.") and kind.__name__ in _HAYSTACK_EXAMPLES:
            found = {**found, "examples": [_HAYSTACK_EXAMPLES[kind.__name__]]}
        return found

    def encode_default(self, dft: Any) -> Any:
        """Return a default as JSON; for the usual ones without an adapter of their own, which is slow."""
        return dft if dft is None or type(dft) in (str, int, bool) else super().encode_default(dft)

    def bytes_schema(self, schema: Any) -> JsonSchema:
        """Return the schema of bytes, which travel as text: only uploads are binary."""
        found = super().bytes_schema(schema)
        return {key: value for key, value in found.items() if value != "binary"}


def free_form(note: str) -> JsonSchema:
    """Return a schema that everything fits, with a note; `$comment` keeps it for when a description is added."""
    return {"description": f"Any value. {note}.", "$comment": f"Any value. {note}."}


def _unrolled(shared: Mapping[str, JsonSchema]) -> dict[str, JsonSchema]:
    """Wrap each reference that leads back to where it stands in `allOf`.

    It means the same. Programs that put definitions in the place of references, as Open WebUI
    does below `properties` and `items`, would not come to an end.
    """
    reach = reachable(shared)
    return {
        name: _wrapped(schema, {target for target in reach[name] if name in reach[target]})
        if name in reach[name]
        else schema
        for name, schema in shared.items()
    }


def _wrapped(node: Any, cyclic: set[str]) -> Any:
    if isinstance(node, list):
        return [_wrapped(item, cyclic) for item in node]
    if not isinstance(node, dict):
        return node
    reference = node.get("$ref")
    if isinstance(reference, str) and reference.removeprefix(DEFINITIONS) in cyclic:
        return {"allOf": [{"$ref": reference}], **{key: value for key, value in node.items() if key != "$ref"}}
    return {key: _wrapped(value, cyclic) for key, value in node.items()}
