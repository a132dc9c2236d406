"""How a request is made: an example body, and the curl command that sends it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from hayhooks.reference.document import Document, as_mapping, as_text
from hayhooks.reference.types import as_json, choices_of, is_file

_FORM = "multipart/form-data"


def example_of(document: Document, media: Mapping[str, Any]) -> Any:
    """Return the example of a body that the document has; None where it has none."""
    if "example" in media:
        return media["example"]
    examples = [document.follow(example) for example in as_mapping(media.get("examples")).values()]
    return next((example["value"] for example in examples if "value" in example), None)


def curl_command(
    document: Document,
    operation: Mapping[str, Any],
    *,
    method: str,
    url: str,
    parameters: list[Mapping[str, Any]],
) -> str:
    """Return a command for a POSIX shell that makes the request; what has to be filled in stands in capitals."""
    words = ["curl"]
    if _streams(document, operation):
        words.append("-N")
    content = as_mapping(document.follow(operation.get("requestBody")).get("content"))
    if method != ("POST" if content else "GET"):
        words += ["-X", method]
    query = {}
    for parameter in parameters:
        name, place = as_text(parameter.get("name")), parameter.get("in")
        stated = as_text(parameter.get("example")) or name.upper()
        if place == "path":
            url = url.replace(f"{{{name}}}", stated)
        elif parameter.get("required") is True and place == "query":
            query[name] = stated
        elif parameter.get("required") is True and place == "header":
            words += ["-H", f"{name}: {stated}"]
    words.append(quote(url, safe="/:%@?&=+,;[]~!$'()*") + (f"?{urlencode(query)}" if query else ""))
    lines = [shlex.join(words), *_body(document, content)]
    return " \\\n  ".join(lines)


def _streams(document: Document, operation: Mapping[str, Any]) -> bool:
    answers = as_mapping(operation.get("responses")).values()
    kinds = {kind for answer in answers for kind in as_mapping(document.follow(answer).get("content"))}
    return "text/event-stream" in kinds or any(kind.startswith("text/plain") for kind in map(str, kinds))


def _body(document: Document, content: Mapping[str, Any]) -> Iterator[str]:
    if not content:
        return
    kind, media = next(iter(content.items()))
    media = as_mapping(media)
    if kind == _FORM:
        yield from _fields(document, media)
        return
    yield f"-H {shlex.quote(f'Content-Type: {kind}')}"
    if is_file(document.schema(media.get("schema")).content):
        yield "--data-binary @FILE"
    elif (example := example_of(document, media)) is not None:
        yield f"-d {shlex.quote(example if isinstance(example, str) and 'json' not in kind else as_json(example))}"
    else:
        yield "-d BODY"


def _fields(document: Document, media: Mapping[str, Any]) -> Iterator[str]:
    """Yield the fields of a form: each file, and what the example holds, or else has to be there."""
    properties, required = document.properties(document.schema(media.get("schema")).content)
    example = as_mapping(example_of(document, media))
    for name, value in properties.items():
        if _takes_files(document, value):
            yield f"-F {shlex.quote(f'{name}=@FILE')}"
        elif name in required or name in example:
            found = example.get(name, name.upper())
            for item in found if isinstance(found, list) else [found]:
                yield f"-F {shlex.quote(f'{name}={item if isinstance(item, str) else as_json(item)}')}"


def _takes_files(document: Document, value: object, level: int = 0) -> bool:
    content = document.schema(value).content
    inner = [*choices_of(content), *([content["items"]] if "items" in content else [])]
    return is_file(content) or (level < 4 and any(_takes_files(document, item, level + 1) for item in inner))
