"""What annotations say of how a value travels (contract 3.2, 3.3, D17, D35)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterable, Iterator
from typing import Annotated, Any, Literal

import pytest
from starlette.datastructures import UploadFile
from starlette.responses import FileResponse, Response

from hayhooks import SSEStream
from hayhooks.pipelines.annotations import FormKind
from hayhooks.pipelines.schema import FormField
from tests.pipelines.test_schema import Model, Point, Row, plain, returning, schema_of


@pytest.mark.parametrize(
    ("annotation", "stream", "response"),
    [
        pytest.param(str, False, False, id="text"),
        pytest.param(Generator, True, False, id="generator"),
        pytest.param(Generator[str, None, None], True, False, id="generator-of-text"),
        pytest.param(AsyncGenerator[str, None], True, False, id="async-generator"),
        pytest.param(Iterator[str], True, False, id="iterator"),
        pytest.param(AsyncIterator[str], True, False, id="async-iterator"),
        pytest.param(Iterable[str], True, False, id="iterable"),
        pytest.param(SSEStream, True, False, id="sse-stream"),
        pytest.param(str | Generator[str, None, None] | None, True, False, id="optional-stream"),
        pytest.param(Annotated[SSEStream, "x"], True, False, id="annotated"),
        pytest.param(Response, False, True, id="response"),
        pytest.param(FileResponse | str, False, True, id="file-or-text"),
        pytest.param(list[str], False, False, id="list"),
        pytest.param(Literal["x"], False, False, id="literal"),
    ],
)
def test_what_a_return_annotation_promises(annotation: Any, stream: bool, response: bool) -> None:
    schema = schema_of(returning(annotation))

    assert (schema.promises_stream, schema.promises_response) == (stream, response)


def test_how_parameters_are_read_from_a_form() -> None:
    def run_api(
        files: str,
        upload: UploadFile,
        uploads: Annotated[list[UploadFile] | None, "x"],
        text: str,
        number: int | None,
        names: list[str],
        pair: tuple[int, int],
        unique: set[str],
        many: Iterable[str],
        choice: Literal["a"],
        mapping: dict[str, int] | None,
        model: Model,
        point: Point,
        row: Row,
        either: list[str] | Model,
        anything: Any,
        **rest: Any,
    ) -> Any: ...

    def field(kind: FormKind, is_list: bool = False, is_optional: bool = False) -> FormField:
        return FormField(kind, is_list, is_optional)

    schema = schema_of(run_api)

    assert schema.takes_files
    assert schema.form == {
        "files": field(FormKind.FILE),
        "upload": field(FormKind.FILE),
        "uploads": field(FormKind.FILE, is_list=True, is_optional=True),
        "text": field(FormKind.TEXT),
        "number": field(FormKind.TEXT, is_optional=True),
        "names": field(FormKind.LIST, is_list=True),
        "pair": field(FormKind.LIST, is_list=True),
        "unique": field(FormKind.LIST, is_list=True),
        "many": field(FormKind.LIST, is_list=True),
        "choice": field(FormKind.TEXT),
        "mapping": field(FormKind.OBJECT, is_optional=True),
        "model": field(FormKind.OBJECT),
        "point": field(FormKind.OBJECT),
        "row": field(FormKind.OBJECT),
        "either": field(FormKind.LIST, is_list=True),
        "anything": field(FormKind.TEXT),
    }
    assert not schema_of(plain).takes_files
