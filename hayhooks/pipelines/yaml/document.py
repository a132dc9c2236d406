"""What stands at the top of a YAML pipeline: Haystack's keys and our own."""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt, ValidationError

from hayhooks.errors import PipelineYamlError
from hayhooks.pipelines.limits import NO_LIMITS, Limits

logger = logging.getLogger(__name__)

ResponseForm = Literal["raw", "declared"]


def _or_empty(value: object) -> object:
    """A key without a value, as in `connections:`, is an empty section."""
    return {} if value is None else value


class ChatKeys(BaseModel):
    """The key `chat`: which input gets what the user wrote, and which output is the answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: str | None = None
    messages: Literal["last", "all"] | None = None
    output: str | None = None


class ComponentEntry(BaseModel):
    """One entry of `components`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str
    init_parameters: Annotated[dict[str, Any], BeforeValidator(_or_empty)] = {}


class Connection(BaseModel):
    """One entry of `connections`."""

    model_config = ConfigDict(frozen=True)

    sender: str
    receiver: str


class YamlDocument(BaseModel):
    """The checked keys of a YAML pipeline; others are ignored, as upstream and Haystack do."""

    model_config = ConfigDict(frozen=True)

    components: dict[str, ComponentEntry]
    connections: Annotated[list[Connection], BeforeValidator(lambda value: [] if value is None else value)] = []
    metadata: Annotated[dict[Any, Any], BeforeValidator(_or_empty)] = {}
    max_runs_per_component: Annotated[StrictInt, Field(ge=1)] = 100
    connection_type_validation: StrictBool = True

    description: str | None = None
    skip_mcp: StrictBool | None = None
    response: ResponseForm | None = None
    streaming_components: Any = None
    examples: list[dict[str, Any]] = []
    chat: ChatKeys | StrictBool | None = None
    limits: Annotated[Limits, BeforeValidator(_or_empty)] = NO_LIMITS

    @classmethod
    def check(cls, document: Mapping[str, Any]) -> Self:
        """Check the keys of a document. Raises `PipelineYamlError` that names the first one that is wrong."""
        if not document.get("components"):
            raise PipelineYamlError(
                "The YAML is no Haystack pipeline: 'components' must map names to 'type' and 'init_parameters', "
                "and it has none"
            )
        try:
            checked = cls.model_validate(document)
        except ValidationError as exc:
            raise PipelineYamlError(_sentence(exc)) from exc
        streaming = checked.streaming_components
        if streaming is not None and read_streaming_components(document) is None:
            raise PipelineYamlError(
                f"'streaming_components' must be 'all' or a list of components, not {_shown(streaming)}"
            )
        _warn_of_near_misses(document)
        return checked


def _warn_of_near_misses(document: Mapping[str, Any]) -> None:
    known = [*YamlDocument.model_fields, "inputs", "outputs"]
    for key in document:
        if key not in known and difflib.get_close_matches(str(key), known, n=1, cutoff=0.8):
            logger.warning("The YAML has the key '%s', which is ignored%s", key, hint(str(key), known))


def read_streaming_components(document: Mapping[str, Any]) -> str | list[str] | None:
    """Return "all", the names of the components that stream, or None when the document does not say."""
    value = document.get("streaming_components")
    if isinstance(value, str) and value.lower() == "all":
        return "all"
    if isinstance(value, list):
        return [str(name) for name in value if name]
    return None


def hint(name: str, known: Collection[str]) -> str:
    """Return what to add to a sentence about an unknown name: the nearest known one, or all of them."""
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if nearest:
        return f"; did you mean '{nearest[0]}'?"
    return f"; there is: {', '.join(known)}" if known else ""


def _sentence(error: ValidationError) -> str:
    # Of the members of a union, the one that says most: what stands deepest.
    found = max(error.errors(include_url=False), key=lambda item: len(item["loc"]))
    path = _path(found["loc"])
    if found["type"] == "missing":
        return f"'{path}' is missing"
    if found["type"] == "extra_forbidden":
        parent, name = _path(found["loc"][:-1]), str(found["loc"][-1])
        return f"'{path}' is no key of '{parent}'{hint(name, list(_SECTIONS[parent]))}"
    if path == "chat":
        return f"'chat' must be true or a mapping, not {_shown(found['input'])}"
    if found["loc"][-1] == "[key]":
        return f"'{_path(found['loc'][:-2])}' must have texts as keys, not {found['input']!r}"
    text = re.sub(r"^Input should be( a valid)?", "must be a" if "valid" in found["msg"] else "must be", found["msg"])
    return f"'{path}' {_plain_words(text)}, not {_shown(found['input'])}"


def _path(location: Sequence[str | int]) -> str:
    # Pydantic names the members of a union after the key, as `chat.ChatKeys`.
    parts = [part for part in location if part not in _MEMBERS]
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return text.removeprefix(".")


_SECTIONS = {"chat": ChatKeys.model_fields, "limits": Limits.model_fields}
_MEMBERS = {"ChatKeys", "bool", "str", "list[str]"}
_WORDS = {
    "dictionary": "a mapping",
    "string": "a text",
    "boolean": "true or false",
    "integer": "a whole number",
}


def _plain_words(text: str) -> str:
    for words, plain in _WORDS.items():
        text = text.replace(f"must be a {words}", f"must be {plain}")
    return text.partition(", unable")[0].partition(" or instance of")[0]


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
