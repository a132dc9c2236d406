"""What the model of `openai_server` says: a function of the request alone, so that a test can foretell it.

The answer is `Echo: <last user text>`, or `Tool said: <results>` after tool results, or the smallest value of a JSON
schema where one is asked for. Commands in the last user text, which are not echoed, change it:
`[[words=5; gap=0.02]]`, `[[tool=weather; args={"city": "Paris"}; tool=clock]]`, `[[status=429]]`. See `Script`.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

JSON = dict[str, Any]


@dataclass(frozen=True)
class Script:
    """The commands of a user text. A value can't contain `;` or `]]`.

    What is said: `words` answers `w1 w2 ...`, this many; `reasoning` is thought aloud first; `tool` is called if the
    request offers it, and may be repeated, each with its own `args` (JSON, by default the least its schema allows).
    When: `delay` seconds before anything is sent, `gap` seconds before each piece of a stream.
    How it goes wrong: `status` refuses with this code; `fail=drop` cuts the connection and `fail=error` sends an
    error, in a stream after `fail_after` pieces (alone it means drop); `hang` stops a stream for ever after this many
    pieces, and keeps any other answer back. A piece is a word, of the reasoning too, or some characters of arguments.
    """

    words: int | None = None
    reasoning: str = ""
    tools: tuple[tuple[str, str], ...] = ()
    delay: float = 0
    gap: float = 0
    status: int = 200
    fail: str = ""
    fail_after: int = 0
    hang: int | None = None


@dataclass(frozen=True)
class Turn:
    """What a request of either API asks for: `results` are those of the tools since the last user message."""

    id: str
    model: str
    text: str
    script: Script
    results: tuple[str, ...]
    tools: Mapping[str, JSON]
    tool_choice: str
    schema: JSON | None
    limit: int | None
    prompt_tokens: int


@dataclass(frozen=True)
class Call:
    """A call of one of the request's tools."""

    id: str
    name: str
    arguments: str

    @property
    def pieces(self) -> tuple[str, ...]:
        return tuple(re.findall(r".{1,8}", self.arguments, re.DOTALL))


@dataclass(frozen=True)
class Answer:
    """What the model says to a turn: words and reasoning joined are the texts, and each piece is a token."""

    turn: Turn
    words: tuple[str, ...]
    reasoning: tuple[str, ...]
    calls: tuple[Call, ...]
    finish_reason: str

    @property
    def tokens(self) -> int:
        return len(self.words) + len(self.reasoning) + sum(len(call.pieces) for call in self.calls)


def answer(turn: Turn) -> Answer:
    """Answer a turn; its limit cuts the words."""
    calls = () if turn.results else _calls(turn)
    words = () if calls else _words(_text(turn))
    kept = words[: turn.limit]
    reason = "tool_calls" if calls else "length" if len(kept) < len(words) else "stop"
    return Answer(turn, kept, _words(turn.script.reasoning), calls, reason)


def read_turn(body: JSON) -> Turn:
    """Read a body of either API; raises `ValueError` for an unknown command and `KeyError` for what is missing."""
    said = _messages(body)
    users = [position for position, (role, _) in enumerate(said) if role == "user"]
    script, text = read_script(said[users[-1]][1] if users else "")
    since_user = said[users[-1] + 1 :] if users else said
    functions = [tool.get("function", tool) for tool in body.get("tools") or ()]
    choice = body.get("tool_choice") or "auto"
    limits = (body.get(name) for name in ("max_completion_tokens", "max_output_tokens", "max_tokens"))
    return Turn(
        id=hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:12],
        model=body["model"],
        text=text,
        script=script,
        results=tuple(text for role, text in since_user if role == "tool") if said and said[-1][0] == "tool" else (),
        tools={function["name"]: function.get("parameters") or {} for function in functions if "name" in function},
        tool_choice=choice if isinstance(choice, str) else choice.get("function", choice)["name"],
        schema=_schema(body.get("response_format") or (body.get("text") or {}).get("format") or {}),
        limit=next((limit for limit in limits if limit is not None), None),
        prompt_tokens=sum(len(text.split()) for _, text in said),
    )


def read_script(text: str) -> tuple[Script, str]:
    """Return the commands in a text, and the text without them."""
    found = re.search(r"\[\[(\w+=.*?)\]\]", text, re.DOTALL)
    if found is None:
        return Script(), text
    readers: Mapping[str, Callable[[str], Any]] = {
        **dict.fromkeys(("words", "status", "fail_after", "hang"), int),
        **dict.fromkeys(("delay", "gap"), float),
        **dict.fromkeys(("reasoning", "fail"), str),
    }
    values: JSON = {}
    tools: list[tuple[str, str]] = []
    for command in found[1].split(";"):
        name, _, value = command.strip().partition("=")
        if name == "tool":
            tools.append((value, ""))
        elif name == "args" and tools:
            tools[-1] = (tools[-1][0], value)
        elif name in readers:
            values[name] = readers[name](value)
        else:
            raise ValueError(f"Unknown command {command!r}.")
    if "fail_after" in values:
        values.setdefault("fail", "drop")
    if values.get("fail", "drop") not in ("drop", "error"):
        raise ValueError(f"Unknown way to fail {values['fail']!r}.")
    return Script(**values, tools=tuple(tools)), (text[: found.start()] + text[found.end() :]).strip()


def embed(text: str, dimensions: int) -> list[float]:
    """Return a unit vector that counts hashed words, so that texts that share words are near."""
    vector = [0.0] * dimensions
    for word in re.findall(r"\w+", text.lower()):
        vector[zlib.crc32(word.encode()) % dimensions] += 1
    length = math.hypot(*vector) or 1
    return [value / length for value in vector]


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\s*\S+|\s+$", text))


def _text(turn: Turn) -> str:
    if turn.script.words is not None:
        return " ".join(f"w{number}" for number in range(1, turn.script.words + 1))
    if turn.schema is not None:
        return json.dumps(_sample(turn.schema, {}))
    if turn.results:
        return f"Tool said: {' | '.join(turn.results)}"
    return f"Echo: {turn.text}"


def _calls(turn: Turn) -> tuple[Call, ...]:
    """Return the calls that the script or `tool_choice` asks for, of tools that the request offers."""
    wanted = turn.script.tools
    if turn.tool_choice == "none":
        return ()
    if turn.tool_choice != "auto" and not wanted:
        wanted = ((next(iter(turn.tools)) if turn.tool_choice == "required" else turn.tool_choice, ""),)
    return tuple(
        Call(f"call_{turn.id}_{index}", name, arguments or json.dumps(_sample(turn.tools[name], {})))
        for index, (name, arguments) in enumerate(wanted)
        if name in turn.tools
    )


def _sample(schema: JSON, definitions: Mapping[str, JSON]) -> Any:
    """Return the smallest value of a JSON schema, of the kinds that pydantic and Haystack's tools write."""
    definitions = schema.get("$defs", definitions)
    if "$ref" in schema:
        return _sample(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return _sample(schema[key][0], definitions)
    if "const" in schema or "enum" in schema:
        return schema["const"] if "const" in schema else schema["enum"][0]
    kinds = schema.get("type", "object")
    kind: str = kinds if isinstance(kinds, str) else kinds[0]
    if kind == "array":
        return [_sample(schema.get("items") or {"type": "string"}, definitions)]
    if kind == "object":
        properties: dict[str, JSON] = schema.get("properties", {})
        names = schema["required"] if "required" in schema else properties
        return {name: _sample(properties[name], definitions) for name in names}
    values: JSON = {"string": "text", "integer": 1, "number": 1.5, "boolean": True}
    return values.get(kind)


def _messages(body: JSON) -> list[tuple[str, str]]:
    """Return role and text of each message; a function's output counts as one of role `tool`."""
    messages = body["messages"] if "messages" in body else body["input"]
    if isinstance(messages, str):
        return [("user", messages)]
    return [
        ("tool", _content(message["output"]))
        if message.get("type") == "function_call_output"
        else (message.get("role", "assistant"), _content(message.get("content")))
        for message in messages
    ]


def _content(content: str | Sequence[JSON] | None) -> str:
    if isinstance(content, str):
        return content
    return " ".join(part["text"] for part in content or () if "text" in part)


def _schema(response_format: JSON) -> JSON | None:
    if response_format.get("type") == "json_schema":
        schema: JSON = response_format.get("json_schema", response_format)["schema"]
        return schema
    return {"type": "object"} if response_format.get("type") == "json_object" else None
