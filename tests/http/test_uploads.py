from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from hayhooks import Hayhooks
from tests.http.wrappers import deploy

Files = list[tuple[str, tuple[str, bytes, str]]]
FORM = {"content-type": "application/x-www-form-urlencoded"}

# Answers with what it was given: of an upload the name, type, size and content.
SHOW = """
def show(self, value):
    if isinstance(value, (list, tuple, set)):
        return [self.show(item) for item in value]
    if hasattr(value, "filename"):
        return [value.filename, value.content_type, value.size, value.file.read().decode()]
    return value
"""


def deploy_form(app: Hayhooks, parameters: str, *, more: str = "") -> None:
    deploy(
        app,
        f"{more}{SHOW}\ndef run_api(self, {parameters}) -> Any:\n"
        "    given = dict(locals())\n    del given['self']\n    return {k: self.show(v) for k, v in given.items()}",
    )


A = ("files", ("a.txt", b"aa", "text/plain"))
B = ("files", ("b.md", b"b", "text/markdown"))
SHOWN_A, SHOWN_B = ["a.txt", "text/plain", 2, "aa"], ["b.md", "text/markdown", 1, "b"]


@pytest.mark.parametrize(
    ("parameters", "files", "expected"),
    [
        pytest.param("files: List[UploadFile]", [A, B], {"files": [SHOWN_A, SHOWN_B]}, id="list"),
        pytest.param("files: List[UploadFile]", [A], {"files": [SHOWN_A]}, id="list-of-one"),
        pytest.param("files: Optional[List[UploadFile]] = None", [A], {"files": [SHOWN_A]}, id="optional-list"),
        pytest.param("files: list[UploadFile] | None", [A], {"files": [SHOWN_A]}, id="new-style"),
        pytest.param("files: 'list[UploadFile]'", [A], {"files": [SHOWN_A]}, id="string-annotation"),
        pytest.param("files: Sequence[UploadFile]", [A], {"files": [SHOWN_A]}, id="sequence"),
        pytest.param("files: UploadFile", [A], {"files": SHOWN_A}, id="single"),
        pytest.param("files: UploadFile", [A, B], {"files": SHOWN_B}, id="last-of-two"),
        pytest.param("files: UploadFile | None = None", [A], {"files": SHOWN_A}, id="optional-single"),
        pytest.param("files: list", [A], {"files": [SHOWN_A]}, id="by-name-list"),
        pytest.param("files: Any", [A], {"files": SHOWN_A}, id="by-name-any"),
        pytest.param(
            "document: UploadFile, files: List[UploadFile]",
            [A, ("document", ("d", b"d", "x/y"))],
            {"document": ["d", "x/y", 1, "d"], "files": [SHOWN_A]},
            id="two-fields",
        ),
        pytest.param(
            "pages: List[UploadFile]", [("pages", ("p", b"", "x/y"))], {"pages": [["p", "x/y", 0, ""]]}, id="other-name"
        ),
    ],
)
def test_files_reach_the_method(
    app: Hayhooks, client: TestClient, parameters: str, files: Files, expected: Any
) -> None:
    deploy_form(app, parameters)
    response = client.post("/p/run", files=files)

    assert (response.status_code, response.json()) == (200, {"result": expected})


@pytest.mark.parametrize(
    ("parameter", "sent", "expected"),
    [
        pytest.param("v: str", "text", "text", id="str"),
        pytest.param("v: str", '{"a": 1}', '{"a": 1}', id="str-stays-text"),
        pytest.param("v: str", "", "", id="empty-str"),
        pytest.param("v: str", ["a", "b"], "b", id="last-of-two"),
        pytest.param("v: int", "7", 7, id="int"),
        pytest.param("v: bool", "true", True, id="bool"),
        pytest.param("v: Optional[int] = 5", "", 5, id="left-empty"),
        pytest.param("v: Annotated[Optional[int], 'note'] = 5", "", 5, id="annotated-left-empty"),
        pytest.param("v: List[str]", ["x", "y"], ["x", "y"], id="repeated"),
        pytest.param("v: List[str]", "x", ["x"], id="list-of-one"),
        pytest.param("v: List[str]", '["x", "y"]', ["x", "y"], id="json-list"),
        pytest.param("v: Optional[List[int]] = None", ["1", "2"], [1, 2], id="numbers"),
        pytest.param("v: Set[str]", ["x", "x"], ["x"], id="set"),
        pytest.param("v: dict", '{"a": [1]}', {"a": [1]}, id="dict"),
        pytest.param("v: Dict[str, int] | None = None", '{"a": 1}', {"a": 1}, id="optional-dict"),
        pytest.param("v: List[dict]", '[{"a": 1}, {"b": 2}]', [{"a": 1}, {"b": 2}], id="list-of-dicts"),
        pytest.param("v: List[dict]", ['{"a": 1}', '{"b": 2}'], [{"a": 1}, {"b": 2}], id="repeated-dicts"),
        pytest.param("v: Point", '{"x": "1"}', {"x": 1}, id="model"),
        pytest.param("v: str = 'd'", [], "d", id="not-sent"),
    ],
)
@pytest.mark.parametrize("has_file", [True, False], ids=["multipart", "urlencoded"])
def test_other_parameters_come_from_the_fields_of_the_form(
    app: Hayhooks, client: TestClient, has_file: bool, parameter: str, sent: Any, expected: Any
) -> None:
    model = "from pydantic import BaseModel\nclass Point(BaseModel):\n    x: int\n"
    deploy_form(app, f"files: Optional[List[UploadFile]] = None, *, {parameter}", more=model)
    data = {"v": sent, "unknown": "ignored"}
    response = client.post("/p/run", data=data, files=[A] if has_file else None)

    assert (response.status_code, response.json()) == (
        200,
        {"result": {"files": [SHOWN_A] if has_file else None, "v": expected}},
    )


@pytest.mark.parametrize(
    ("parameter", "sent", "kind"),
    [
        pytest.param("v: int", "seven", "int_parsing", id="int"),
        pytest.param("v: dict", "no json", "dict_type", id="dict"),
        pytest.param("v: dict", "[" * 100_000, "dict_type", id="endless-json"),
        pytest.param("v: str", [], "missing", id="missing"),
    ],
)
def test_field_that_does_not_fit_is_named(
    app: Hayhooks, client: TestClient, parameter: str, sent: Any, kind: str
) -> None:
    deploy_form(app, f"files: Optional[List[UploadFile]] = None, *, {parameter}")
    response = client.post("/p/run", data={"v": sent}, files=[A])
    [found] = response.json()["detail"]

    assert (response.status_code, found["type"], found["loc"]) == (422, kind, ["body", "v"])


@pytest.mark.parametrize(
    ("parameters", "location"),
    [
        pytest.param("files: List[UploadFile]", ["body", "files", 0], id="list"),
        pytest.param("files: Optional[List[UploadFile]] = None", ["body", "files", 0], id="optional-list"),
        pytest.param("files: UploadFile", ["body", "files"], id="single"),
    ],
)
def test_text_in_place_of_a_file_is_422(
    app: Hayhooks, client: TestClient, parameters: str, location: list[Any]
) -> None:
    deploy_form(app, parameters)
    response = client.post("/p/run", data={"files": "text"})
    [found] = response.json()["detail"]

    assert (response.status_code, found["loc"], found["input"]) == (422, location, "text")
    assert "UploadFile" in found["msg"]


def test_missing_file_is_422(app: Hayhooks, client: TestClient) -> None:
    deploy_form(app, "files: List[UploadFile], note: str = ''")
    response = client.post("/p/run", data={"note": "x"})

    assert (response.status_code, response.json()["detail"][0]["loc"]) == (422, ["body", "files"])


# What browsers send for a file input that was left empty.
@pytest.mark.parametrize(
    "parameters", ["files: Optional[List[UploadFile]] = None", "files: UploadFile | None = None"], ids=["list", "one"]
)
@pytest.mark.parametrize("is_named", [True, False], ids=["file-part", "text-part"])
def test_file_input_left_empty_means_no_file(
    app: Hayhooks, client: TestClient, is_named: bool, parameters: str
) -> None:
    deploy_form(app, parameters)
    name = '; filename=""\r\nContent-Type: application/octet-stream' if is_named else ""
    body = f'--x\r\nContent-Disposition: form-data; name="files"{name}\r\n\r\n\r\n--x--\r\n'
    response = client.post("/p/run", content=body.encode(), headers={"content-type": "multipart/form-data; boundary=x"})

    assert (response.status_code, response.json()) == (200, {"result": {"files": None}})


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        pytest.param(b"", {}, id="nothing"),
        pytest.param(b"", FORM, id="form"),
        pytest.param(b"--x--\r\n", {"content-type": "multipart/form-data; boundary=x"}, id="multipart"),
        pytest.param(b"{}", {"content-type": "application/json"}, id="json"),
    ],
)
def test_empty_request_means_the_defaults(
    app: Hayhooks, client: TestClient, body: bytes, headers: dict[str, str]
) -> None:
    deploy_form(app, "files: Optional[List[UploadFile]] = None, query: str = 'd'")
    response = client.post("/p/run", content=body, headers=headers)

    assert (response.status_code, response.json()) == (200, {"result": {"files": None, "query": "d"}})


def test_json_is_read_where_no_file_is_sent(app: Hayhooks, client: TestClient) -> None:
    deploy_form(app, "files: Optional[List[UploadFile]] = None, options: dict = {}")
    response = client.post("/p/run", json={"options": {"a": 1}})

    assert (response.status_code, response.json()) == (200, {"result": {"files": None, "options": {"a": 1}}})


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded; charset=utf-8", "Application/X-WWW-Form-URLEncoded"]
)
def test_content_type_of_a_form_is_read_in_any_case(app: Hayhooks, client: TestClient, kind: str) -> None:
    deploy_form(app, "files: Optional[List[UploadFile]] = None, query: str = 'd'")
    response = client.post("/p/run", content=b"query=a+b%C3%A9", headers={"content-type": kind})

    assert (response.status_code, response.json()) == (200, {"result": {"files": None, "query": "a bé"}})


@pytest.mark.parametrize(
    ("kind", "detail"),
    [
        pytest.param("multipart/form-data", "Missing boundary in multipart.", id="no-boundary"),
        pytest.param("multipart/form-data; boundary=y", "Invalid multipart data.", id="garbage"),
    ],
)
def test_broken_multipart_is_a_bad_request(app: Hayhooks, client: TestClient, kind: str, detail: str) -> None:
    deploy_form(app, "files: List[UploadFile]")
    response = client.post("/p/run", content=b"--x\r\ngarbage", headers={"content-type": kind})

    assert (response.status_code, response.json()) == (400, {"detail": detail})


def test_form_is_not_read_for_a_pipeline_without_files(app: Hayhooks, client: TestClient) -> None:
    deploy(app, "def run_api(self, query: str = 'd') -> str: return query")
    response = client.post("/p/run", content=b"query=x", headers=FORM)

    assert (response.status_code, response.json()["detail"][0]["type"]) == (422, "json_invalid")


def test_async_method_reads_an_upload(app: Hayhooks, client: TestClient) -> None:
    deploy(
        app,
        "async def run_api_async(self, files: List[UploadFile]) -> list:\n"
        "    return [(await file.read()).decode() for file in files]",
    )

    assert client.post("/p/run", files=[A, B]).json() == {"result": ["aa", "b"]}


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts what Linux lists in /proc")
def test_large_file_arrives_whole_and_leaves_nothing_open(app: Hayhooks, client: TestClient) -> None:
    content = os.urandom(3_000_000)
    deploy(
        app,
        "def run_api(self, files: UploadFile) -> list:\n    import hashlib\n"
        "    return [files.size, hashlib.sha256(files.file.read()).hexdigest()]",
    )
    client.post("/p/run", files={"files": content})
    before = open_files()

    results = [client.post("/p/run", files={"files": content}).json() for _ in range(5)]

    assert results == [{"result": [3_000_000, hashlib.sha256(content).hexdigest()]}] * 5
    assert open_files() == before


def test_stream_reads_an_upload_while_it_runs(app: Hayhooks, client: TestClient) -> None:
    deploy(
        app,
        "def run_api(self, files: UploadFile) -> Generator:\n"
        "    while block := files.file.read(2):\n        yield block.decode() + ','",
    )
    response = client.post("/p/run", files={"files": b"abcde"})

    assert (response.status_code, response.text) == (200, "ab,cd,e,")


@pytest.mark.parametrize("charset", ["utf-7", '"unicode_escape"', "PUNYCODE", "undefined"])
@pytest.mark.parametrize("path", ["/p/run", "/v1/files"])
def test_form_in_another_charset_is_refused(app: Hayhooks, client: TestClient, path: str, charset: str) -> None:
    deploy(app, "def run_api(self, files: list[UploadFile], purpose: str = '') -> str: return purpose")
    body = '--x\r\ncontent-disposition: form-data; name="purpose"\r\n\r\n+2AA-\r\n--x--\r\n'
    headers = {"content-type": f"multipart/form-data; boundary=x; Charset={charset}"}
    response = client.post(path, content=body, headers=headers)
    name = charset.strip('"')

    assert (response.status_code, response.json()["detail"]) == (400, f"A form must be in UTF-8, not in {name!r}")
