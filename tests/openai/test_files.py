from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import requests
from openai.types import FileObject as OpenAIFile
from starlette.exceptions import HTTPException
from starlette.testclient import TestClient

from hayhooks import Hayhooks, Settings
from hayhooks.errors import UploadNotFound
from hayhooks.openai.file_store import FileObject, FileStore
from tests.openai.answering import JSON, Answers, error, returns
from tests.servers import served

PATHS = ["/v1/files", "/files"]
FACTS: JSON = {"id": "doc-1", "bytes": 3, "created_at": 5, "purpose": "user_data"}


def upload(client: TestClient, path: str = "/v1/files", content: bytes = b"abc", **fields: Any) -> Any:
    data = {"purpose": "user_data", **fields}
    return client.post(path, data=data, files={"file": ("a.txt", content, "text/plain")})


def takes(*received: Any, result: Any = FACTS) -> Answers:
    """Return a wrapper that takes uploads and appends what it gets to a list, if one is given."""

    def run_file_upload(name: str, kind: str, data: bytes, why: str) -> Any:
        for calls in received:
            calls.append((name, kind, data, why))
        if isinstance(result, BaseException):
            raise result
        return result

    return Answers(run_response=returns("hi"), run_file_upload=run_file_upload)


def missing(id: str) -> JSON:
    return error(f"No such File object: {id}", kind="not_found_error", code="file_not_found")


# Kept by the server


@pytest.mark.parametrize("path", PATHS)
def test_file_that_no_pipeline_takes_is_kept(client: TestClient, path: str) -> None:
    began = int(time.time())
    response = upload(client, path)
    file = response.json()

    assert response.status_code == 200
    assert re.fullmatch("file-[0-9a-f]{24}", file["id"])
    assert began <= file["created_at"] <= time.time()
    assert file == {
        "id": file["id"],
        "object": "file",
        "bytes": 3,
        "created_at": file["created_at"],
        "filename": "a.txt",
        "purpose": "user_data",
        "status": "processed",
        "content_type": "text/plain",
    }
    assert client.get(f"{path}/{file['id']}").json() == file
    assert client.get(path).json() == {
        "object": "list",
        "data": [file],
        "first_id": file["id"],
        "last_id": file["id"],
        "has_more": False,
    }
    content = client.get(f"{path}/{file['id']}/content")
    assert (content.content, content.headers["content-disposition"]) == (b"abc", 'attachment; filename="a.txt"')
    assert client.delete(f"{path}/{file['id']}").json() == {"id": file["id"], "object": "file", "deleted": True}
    assert client.get(path).json()["data"] == []


def test_file_without_a_type_is_bytes(client: TestClient) -> None:
    response = client.post("/v1/files", data={"purpose": "batch"}, files={"file": ("a", b"\x00\xff", "")})

    assert response.json()["content_type"] == "application/octet-stream"
    assert client.get(f"/v1/files/{response.json()['id']}/content").content == b"\x00\xff"


def test_large_file_comes_back_as_it_was(client: TestClient) -> None:
    content = os.urandom(3 << 20)

    file = upload(client, content=content).json()

    assert file["bytes"] == len(content)
    assert client.get(f"/v1/files/{file['id']}/content").content == content


def test_files_are_listed_newest_first_by_purpose_and_in_pages(client: TestClient) -> None:
    ids = [upload(client, purpose=purpose).json()["id"] for purpose in ("batch", "vision", "batch")]
    ordered = [file["id"] for file in client.get("/v1/files").json()["data"]]

    def listed(query: str) -> Any:
        page = client.get(f"/v1/files?{query}").json()
        return [file["id"] for file in page["data"]], page["has_more"]

    assert sorted(ordered) == sorted(ids)
    assert sorted(listed("purpose=batch")[0]) == sorted([ids[0], ids[2]])
    assert listed("purpose=other") == ([], False)
    assert listed("limit=2") == (ordered[:2], True)
    assert listed(f"limit=2&after={ordered[1]}") == (ordered[2:], False)
    assert listed("order=asc") == (ordered[::-1], False)


def test_file_survives_a_restart(tmp_path: Path) -> None:
    with TestClient(Hayhooks(tmp_path)) as client:
        file = upload(client).json()
    with TestClient(Hayhooks(tmp_path)) as client:
        assert client.get("/v1/files").json()["data"] == [file]
        assert client.get(f"/v1/files/{file['id']}/content").content == b"abc"


def test_server_without_a_pipelines_directory_keeps_files_as_long_as_it_lives() -> None:
    app = Hayhooks()
    with TestClient(app) as client:
        file = upload(client).json()
        assert client.get(f"/v1/files/{file['id']}/content").content == b"abc"
        directory = app.files.directory
        assert directory.is_dir()
    del app, client

    import gc

    gc.collect()
    assert not directory.exists()


ODD_IDS = [
    pytest.param("file-0", id="unknown"),
    pytest.param("..", id="dots"),
    pytest.param("a.b", id="dot"),
    pytest.param("ä\u2028", id="not-ascii"),
    pytest.param("x" * 5000, id="long"),
    pytest.param("a\x00b", id="zero"),
    pytest.param("C:\\x", id="backslash"),
]


@pytest.mark.parametrize("id", ODD_IDS)
def test_file_that_is_not_there_is_not_found_whatever_its_id(client: TestClient, id: str) -> None:
    upload(client)
    path = "/v1/files/" + "".join(f"%{byte:02x}" for byte in id.encode())

    for response in (client.get(path), client.delete(path), client.get(f"{path}/content")):
        assert (response.status_code, response.json()) == (404, missing(id))


def test_file_that_is_deleted_is_not_found_any_more(client: TestClient) -> None:
    id = upload(client).json()["id"]
    client.delete(f"/v1/files/{id}")

    for response in (client.get(f"/v1/files/{id}"), client.delete(f"/v1/files/{id}")):
        assert (response.status_code, response.json()) == (404, missing(id))


def test_no_file_is_left_where_one_cannot_be_kept(tmp_path: Path) -> None:
    app = Hayhooks(tmp_path)
    (tmp_path / ".hayhooks").mkdir()
    (tmp_path / ".hayhooks" / "files").write_text("in the way")
    with TestClient(app) as client:
        response = upload(client)

    assert response.status_code == 500
    assert response.json() == error(
        "The file cannot be kept: File exists", kind="server_error", code="pipeline_not_saved"
    )


def test_store_leaves_nothing_behind_when_a_copy_fails(tmp_path: Path) -> None:
    class Broken(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError("unplugged")

    with pytest.raises(OSError, match="unplugged"):
        FileStore(tmp_path).add(Broken(), filename="a", content_type="", purpose="")

    assert list(tmp_path.iterdir()) == []


def test_store_can_be_read_while_files_come_and_go(tmp_path: Path) -> None:
    store = FileStore(tmp_path)

    def come_and_go(_: int) -> None:
        file = store.add(BytesIO(b"x" * 1000), filename="a", content_type="", purpose="")
        assert file in store.list()
        store.remove(file.id)
        with pytest.raises(UploadNotFound):
            store.content_path(file.id)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(come_and_go, range(200)))

    assert store.list() == []


# What is refused


@pytest.mark.parametrize(
    ("request_parts", "wrong"),
    [
        pytest.param({"data": {"purpose": "x"}}, ["file"], id="no-file"),
        pytest.param({"files": {"file": ("a", b"")}}, ["purpose"], id="no-purpose"),
        pytest.param({"data": {"x": "y"}}, ["file", "purpose"], id="neither"),
        pytest.param({"data": {"file": "text", "purpose": "x"}}, ["file"], id="file-that-is-a-text"),
        pytest.param({"files": {"file": ("a", b""), "purpose": ("b", b"")}}, ["purpose"], id="purpose-that-is-a-file"),
        pytest.param({"json": {"file": "a", "purpose": "x"}}, ["file", "purpose"], id="json"),
    ],
)
def test_upload_needs_a_file_and_a_purpose(client: TestClient, request_parts: JSON, wrong: list[str]) -> None:
    response = client.post("/v1/files", **request_parts)

    detail = [{"type": "missing", "loc": ["body", name], "msg": "Field required", "input": None} for name in wrong]
    text = "; ".join(f"body.{name}: Field required" for name in wrong)
    assert response.status_code == 422
    assert response.json() == error(
        text, kind="invalid_request_error", code="invalid_request", param=wrong[0], detail=detail
    )


def test_broken_form_is_refused(client: TestClient) -> None:
    response = client.post("/v1/files", content=b"x", headers={"content-type": "multipart/form-data"})

    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"


def in_pieces(body: bytes) -> Iterator[bytes]:
    for begin in range(0, len(body), 1000):
        yield body[begin : begin + 1000]


@pytest.mark.parametrize("is_chunked", [False, True])
@pytest.mark.parametrize(("size", "status"), [(1000, 200), (20_000, 413)])
def test_upload_that_is_too_large_is_refused(tmp_path: Path, is_chunked: bool, size: int, status: int) -> None:
    app = Hayhooks(tmp_path, settings=Settings(max_upload_size=10_000))
    form = requests.Request("POST", "http://x", data={"purpose": "x"}, files={"file": ("a", b"x" * size)}).prepare()
    assert isinstance(form.body, bytes)
    with served(app) as url:
        response = requests.post(
            f"{url}/v1/files",
            data=in_pieces(form.body) if is_chunked else form.body,
            headers={"content-type": form.headers["content-type"]},
        )
        kept = requests.get(f"{url}/v1/files").json()["data"]

    assert (response.status_code, len(kept)) == (status, 1 if status == 200 else 0)
    if status == 413:
        answer = response.json()
        assert (answer["error"]["type"], answer["error"]["message"]) == ("invalid_request_error", answer["detail"])
        assert "10000" in answer["detail"]


# Taken by a pipeline


@pytest.mark.parametrize("how", ["query", "form", "alone"])
def test_file_goes_to_the_pipeline_that_is_named_or_to_the_only_one_that_takes_any(
    app: Hayhooks, client: TestClient, how: str
) -> None:
    got: list[Any] = []
    others: list[Any] = []
    app.deploy("p", takes(got))
    app.deploy("talk", Answers(run_response=returns("hi")))
    if how != "alone":
        app.deploy("other", takes(others))

    fields: JSON = {"model": "p"} if how == "form" else {}
    response = upload(client, "/v1/files?model=p" if how == "query" else "/v1/files", **fields)

    assert response.status_code == 200
    assert (got, others) == ([("a.txt", "text/plain", b"abc", "user_data")], [])


def test_file_is_kept_by_the_server_where_several_pipelines_could_take_it(app: Hayhooks, client: TestClient) -> None:
    got: list[Any] = []
    app.deploy("p", takes(got))
    app.deploy("q", takes(got))

    file = upload(client).json()

    assert client.get(f"/v1/files/{file['id']}/content").content == b"abc"
    assert got == []


@pytest.mark.parametrize(
    ("model", "status", "expected"),
    [
        pytest.param(
            "nobody",
            404,
            error(
                "Pipeline 'nobody' not found or not a pipeline wrapper", kind="not_found_error", code="model_not_found"
            ),
            id="unknown",
        ),
        pytest.param(
            "talk",
            501,
            error("Files endpoint not implemented for this model", kind="server_error", code="not_implemented"),
            id="takes-none",
        ),
    ],
)
def test_file_for_a_pipeline_that_cannot_take_it_is_refused(
    app: Hayhooks, client: TestClient, model: str, status: int, expected: JSON
) -> None:
    app.deploy("talk", Answers(run_response=returns("hi")))
    response = upload(client, model=model)

    assert (response.status_code, response.json()) == (status, expected)
    assert client.get("/v1/files").json()["data"] == []


async def run_file_upload_async(filename: str, content_type: str, content: bytes, purpose: str) -> JSON:
    return {**FACTS, "filename": filename}


@pytest.mark.parametrize(
    ("wrapper", "expected"),
    [
        pytest.param(takes(), {**FACTS, "object": "file", "filename": None, "status": "processed"}, id="dict"),
        pytest.param(
            takes(result={**FACTS, "status": "error", "object": "f", "filename": "b", "mine": [1]}),
            {**FACTS, "status": "error", "object": "f", "filename": "b", "mine": [1]},
            id="dict-with-more",
        ),
        pytest.param(
            takes(result=OpenAIFile(**FACTS, object="file", filename="c", status="uploaded")),
            {
                **FACTS,
                "object": "file",
                "filename": "c",
                "status": "uploaded",
                "expires_at": None,
                "status_details": None,
            },
            id="object",
        ),
        pytest.param(
            Answers(run_response=returns("hi"), run_file_upload_async=run_file_upload_async),
            {**FACTS, "object": "file", "filename": "a.txt", "status": "processed"},
            id="async",
        ),
    ],
)
def test_result_of_the_pipeline_is_the_file_object(
    app: Hayhooks, client: TestClient, wrapper: Answers, expected: JSON
) -> None:
    app.deploy("p", wrapper)
    response = upload(client)

    assert (response.status_code, response.json()) == (200, expected)
    assert client.get("/v1/files/doc-1").json() == expected
    assert client.get("/v1/files").json()["data"] == [expected]
    # The pipeline has the content.
    assert client.get("/v1/files/doc-1/content").json() == missing("doc-1")
    assert client.delete("/v1/files/doc-1").json()["deleted"] is True


@pytest.mark.parametrize("id", ["a.pdf", "ä b", "x" * 500, "tenant:5"])
def test_pipeline_may_give_odd_ids(app: Hayhooks, client: TestClient, id: str) -> None:
    app.deploy("p", takes(result={**FACTS, "id": id}))

    assert upload(client).json()["id"] == id
    assert client.get(f"/v1/files/{id}").json()["id"] == id


def a_generator(a: str, b: str, c: bytes, d: str) -> Iterator[Any]:
    yield FACTS


@pytest.mark.parametrize(
    ("wrapper", "status", "expected"),
    [
        pytest.param(takes(result="a text"), 500, "run_file_upload returned an unsupported type", id="text"),
        pytest.param(takes(result=None), 500, "run_file_upload returned an unsupported type", id="none"),
        pytest.param(
            Answers(run_response=returns(""), run_file_upload=a_generator),
            500,
            "run_file_upload returned an unsupported type",
            id="generator",
        ),
        pytest.param(
            takes(result={"id": "x", "bytes": 3}),
            500,
            "File upload failed: the result of run_file_upload has no usable created_at, purpose",
            id="keys-missing",
        ),
        pytest.param(
            takes(result={**FACTS, "id": 5, "created_at": "today"}),
            500,
            "File upload failed: the result of run_file_upload has no usable id, created_at",
            id="keys-of-a-wrong-type",
        ),
        pytest.param(takes(result=HTTPException(415, "No texts.")), 415, "No texts.", id="refused"),
        pytest.param(takes(result=OSError("secret")), 500, "Pipeline execution failed", id="failed"),
    ],
)
def test_file_that_the_pipeline_does_not_take_is_an_error(
    app: Hayhooks, client: TestClient, wrapper: Answers, status: int, expected: str
) -> None:
    deployment = app.deploy("p", wrapper)
    response = upload(client)
    answer = response.json()

    assert (response.status_code, answer["detail"].partition(" (request id")[0]) == (status, expected)
    assert answer["error"]["message"] == answer["detail"]
    assert client.get("/v1/files").json()["data"] == []
    assert deployment.runs.current == 0


def test_notes_of_files_are_readable_json(app: Hayhooks, client: TestClient) -> None:
    file = upload(client).json()
    (note,) = app.files.directory.glob("*.json")

    assert json.loads(note.read_text()) == file
    assert FileObject.model_validate(file).model_dump() == file


def test_pipeline_keeps_its_file_whatever_else_it_says_of_it(app: Hayhooks, client: TestClient) -> None:
    received: list[Any] = []
    circular: list[Any] = []
    circular.append(circular)
    odd = {"a": object(), "b": b"\xff", "c": circular, "d": "\ud800", 5: 1, "fine": {"x": float("nan")}}
    app.deploy("p", takes(received, result={**FACTS, **odd}))
    response = upload(client)
    expected = {**FACTS, "object": "file", "filename": None, "status": "processed", "fine": {"x": None}}

    assert (response.status_code, response.json(), len(received)) == (200, expected, 1)
    assert client.get(f"/v1/files/{FACTS['id']}").json() == expected


def test_id_of_a_pipelines_file_may_have_slashes(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", takes(result={**FACTS, "id": "a/b/c"}))
    upload(client)

    assert [client.get(f"{path}").json()["id"] for path in ("/v1/files/a/b/c", "/files/a%2Fb%2Fc")] == ["a/b/c"] * 2
    assert client.get("/v1/files/a/b/c/content").status_code == 404
    assert client.delete("/v1/files/a/b/c").json() == {"id": "a/b/c", "object": "file", "deleted": True}
    assert client.get("/v1/files/a/b/c").status_code == 404


@pytest.mark.parametrize(("asked", "status", "told"), [("bytes=9-", 416, "bytes */3"), ("bytes=x", 400, None)])
def test_range_that_a_file_does_not_have_is_refused(
    client: TestClient, asked: str, status: int, told: str | None
) -> None:
    path = f"/v1/files/{upload(client).json()['id']}/content"
    response = client.get(path, headers={"range": asked})
    text = "The header 'Range' asks for no bytes that the file has"

    assert (response.status_code, response.headers.get("content-range")) == (status, told)
    assert response.json() == error(text, kind="invalid_request_error", code=None)
    assert client.get(path, headers={"range": "bytes=1-"}).text == "bc"
