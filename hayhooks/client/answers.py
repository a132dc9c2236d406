"""What a Hayhooks server answers to a client, and the errors when it does not.

ClientError                a call that did not succeed
├── ServerUnreachable      no answer
├── ServerRefused          an answer with an error status
└── AnswerIncomplete       an answer that began and broke off
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from requests import Response

_BLOCK = 64 * 1024


class ClientError(Exception):
    """A call that did not succeed. `str(error)` says why, in words for people."""


class ServerUnreachable(ClientError):
    """The server did not answer: it is not there, not trusted, or too slow."""


class ServerRefused(ClientError):
    """The server answered with an error status; `detail` is the `detail` of its JSON, or its text."""

    def __init__(self, message: str, *, status_code: int, detail: Any) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.detail = detail


class AnswerIncomplete(ClientError):
    """The answer began and broke off: the pipeline failed while it streamed, or the connection was lost."""


class Answer:
    """The answer to a run, read as it arrives and only once. Use it in `with`, or close it."""

    def __init__(self, response: Response) -> None:
        self._response = response
        self.content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        self.is_json = self.content_type == "application/json" or self.content_type.endswith("+json")
        self.is_text = self.content_type.startswith("text/")
        self.is_stream = self.is_text and "content-length" not in response.headers

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes of the body as they arrive."""
        blocks = self._response.iter_content(_BLOCK)
        while True:
            with reported("The answer broke off", AnswerIncomplete):
                block = next(blocks, None)
            if block is None:
                return
            yield block

    def texts(self) -> Iterator[str]:
        """Yield the text of the body as it arrives; of server-sent events, the data."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        texts = (decoder.decode(chunk) for chunk in self.chunks())
        yield from _event_data(texts) if self.content_type == "text/event-stream" else texts
        yield decoder.decode(b"", final=True)

    def read(self) -> bytes:
        """Wait for the whole body."""
        return b"".join(self.chunks())

    def body(self) -> Any:
        """Wait for the whole body and decode it: JSON, text, or else bytes."""
        if self.is_text:
            return "".join(self.texts())
        return _decoded(self.read().decode(errors="replace")) if self.is_json else self.read()

    def value(self) -> Any:
        """Wait for the whole body and return what `Client.run` returns."""
        body = self.body()
        return body["result"] if isinstance(body, dict) and "result" in body else body

    def close(self) -> None:
        """Give up the rest of the body."""
        self._response.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _event_data(texts: Iterable[str]) -> Iterator[str]:
    """Yield the data of server-sent events (HTML, section 9.2.6); an `error` event raises.

    Lines end in LF or CRLF, as all servers in use write them.
    """
    kind, data, rest = "", list[str](), ""
    for text in texts:
        *lines, rest = (rest + text).split("\n")
        for line in (line.removesuffix("\r") for line in lines):
            if line:
                field, _, value = line.partition(":")
                value = value.removeprefix(" ")
                kind = value if field == "event" else kind
                data += [value] if field == "data" else []
            elif kind == "error":
                raise AnswerIncomplete(f"The pipeline failed: {_message(_decoded(chr(10).join(data)))}")
            else:
                yield "\n".join(data)
                kind, data = "", []


@contextmanager
def reported(what: str, error: type[ClientError]) -> Iterator[None]:
    """Translate the errors of requests, all of them here."""
    from requests import exceptions

    try:
        yield
    except exceptions.RequestException as exc:
        raise error(f"{what}: {_reason(exc)}.") from exc


def _reason(exc: BaseException) -> str:
    """Find what the system said, below the layers of urllib3 and requests."""
    cause: BaseException | None = exc
    while cause is not None:
        if isinstance(cause, TimeoutError):
            return "nothing came within the time limit"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return str(exc).rstrip(".")


def refusal(status_code: int, body: bytes, headers: Mapping[str, str]) -> ServerRefused:
    """Make the error for an answer with an error status."""
    detail = _decoded(body.decode(errors="replace"))
    if isinstance(detail, dict):
        detail = detail.get("detail", detail)
    message = _message(detail).strip() or "The server said nothing more"
    if "location" in headers:
        message = f"The server points to {headers['location']}"
    elif "html" in headers.get("content-type", ""):
        message = "The answer is a web page, so hardly from Hayhooks"
    facts = f"HTTP {status_code}"
    if status_code >= 500 and headers.get("x-request-id", message) not in message:
        facts += f", request {headers['x-request-id']}"
    first, newline, rest = message.partition("\n")
    return ServerRefused(f"{first} ({facts}){newline}{rest}", status_code=status_code, detail=detail)


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _message(detail: Any) -> str:
    """Put what the server says into words: Hayhooks' own `detail`, validation items, OpenAI's `error`."""
    match detail:
        case str():
            return detail
        case {"detail": inner} | {"error": {"message": inner}}:
            return _message(inner)
        case [{"msg": _}, *_]:
            return "\n".join(["The request is not valid", *map(_item_line, detail)])
    return json.dumps(detail, ensure_ascii=False)


def _item_line(item: Mapping[str, Any]) -> str:
    loc = [str(part) for part in item.get("loc", [])]
    field = ".".join(loc[1:] if loc[:1] == ["body"] else loc)
    return f"  {field}: {item.get('msg')}" if field else f"  {item.get('msg')}"
