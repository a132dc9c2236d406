"""Files and embeddings through the official client, plain and async."""

from __future__ import annotations

import base64
import struct
from pathlib import Path
from typing import Any

import pytest
from openai import APIStatusError, BadRequestError, InternalServerError, NotFoundError

from tests.openai.clients.recording import AnyClient, done, listed
from tests.openai_answers import embed

pytestmark = pytest.mark.anyio

CONTENT = bytes(range(256)) * 40


async def test_a_file_that_no_pipeline_asks_for_is_kept(client: AnyClient) -> None:
    file = await done(client.files.create(file=("data.bin", CONTENT), purpose="user_data"))

    assert (file.object, file.bytes, file.filename) == ("file", len(CONTENT), "data.bin")
    assert (file.purpose, file.status) == ("user_data", "processed")
    assert await done(client.files.retrieve(file.id)) == file
    assert file in await listed(client.files.list())
    content: Any = await done(client.files.content(file.id))
    assert content.read() == CONTENT
    deleted = await done(client.files.delete(file.id))
    assert (deleted.id, deleted.deleted) == (file.id, True)
    assert file.id not in [kept.id for kept in await listed(client.files.list())]
    for call in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(NotFoundError, match=f"No such File object: {file.id}"):
            answer: Any = call(file.id)
            await done(answer)


async def test_files_are_listed_by_purpose(client: AnyClient) -> None:
    batch = await done(client.files.create(file=("b.jsonl", b"{}"), purpose="batch"))
    other = await done(client.files.create(file=("o.txt", b"o"), purpose="user_data"))

    ids = [file.id for file in await listed(client.files.list(purpose="batch"))]

    assert batch.id in ids and other.id not in ids


async def test_a_file_goes_to_the_pipeline_that_is_named_and_its_responses_can_read_it(client: AnyClient) -> None:
    in_body = await done(
        client.files.create(file=("a.txt", b"Ada"), purpose="user_data", extra_body={"model": "notes"})
    )
    in_query = await done(
        client.files.create(file=("b.txt", b"Bob"), purpose="user_data", extra_query={"model": "notes"})
    )
    parts: Any = [{"type": "input_text", "text": "Who?"}]
    parts += [{"type": "input_file", "file_id": file.id} for file in (in_body, in_query)]
    response = await done(client.responses.create(model="notes", input=[{"role": "user", "content": parts}]))

    assert in_body.id.startswith("file-notes-") and in_query.id.startswith("file-notes-")
    assert response.output_text == "Who? Ada Bob"
    assert await done(client.files.retrieve(in_body.id)) == in_body


async def test_a_file_is_streamed_from_disk(client: AnyClient, tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_bytes(b"x" * 150_000)
    file = await done(client.files.create(file=path, purpose="assistants"))

    assert (file.filename, file.bytes) == ("long.txt", 150_000)


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        pytest.param({"model": "nope"}, 404, "Pipeline 'nope' not found", id="unknown-model"),
        pytest.param({"model": "chat"}, 501, "Files endpoint not implemented for this model", id="not-implemented"),
    ],
)
async def test_a_file_for_a_pipeline_that_takes_none_is_refused(
    client: AnyClient, body: dict[str, str], status: int, message: str
) -> None:
    before = await listed(client.files.list())
    with pytest.raises(APIStatusError) as caught:
        await done(client.files.create(file=("a.txt", b"a"), purpose="user_data", extra_body=body))

    assert caught.value.status_code == status
    assert message in caught.value.body["message"]  # type: ignore[index]  # the client types it as object
    assert await listed(client.files.list()) == before


async def test_a_file_that_is_too_large_is_refused(client: AnyClient) -> None:
    with pytest.raises(APIStatusError) as caught:
        await done(client.files.create(file=("large.bin", b"x" * 300_000), purpose="user_data"))

    assert caught.value.status_code == 413
    assert "200000" in caught.value.body["message"]  # type: ignore[index]  # the client types it as object


@pytest.mark.parametrize("encoding", ["float", "base64", None])
async def test_embeddings_keep_the_order_of_a_batch(client: AnyClient, encoding: Any) -> None:
    texts = ["a red house", "a blue car", "red red"]
    options = {} if encoding is None else {"encoding_format": encoding}
    answer = await done(client.embeddings.create(model="vectors", input=texts, **options))

    assert (answer.object, answer.model) == ("list", "vectors")
    assert [item.index for item in answer.data] == [0, 1, 2]
    for item, text in zip(answer.data, texts, strict=True):
        vector: Any = item.embedding
        if encoding == "base64":
            # Asked for by hand, the client leaves it as it is.
            vector = list(struct.unpack("<8f", base64.b64decode(vector)))
        assert vector == pytest.approx(embed(text, 8), abs=1e-6)


async def test_an_embedding_has_the_dimensions_that_are_asked_for(client: AnyClient) -> None:
    answer = await done(client.embeddings.create(model="vectors", input="red", dimensions=4))

    assert answer.data[0].embedding == pytest.approx(embed("red", 4), abs=1e-6)


async def test_an_embedding_of_other_dimensions_is_refused(client: AnyClient) -> None:
    with pytest.raises(BadRequestError) as caught:
        await done(client.embeddings.create(model="vectors", input="red", dimensions=5))

    assert (caught.value.param, caught.value.code) == ("dimensions", "unsupported_parameter")


async def test_a_pipeline_without_embeddings_says_so(client: AnyClient) -> None:
    with pytest.raises(InternalServerError) as caught:
        await done(client.embeddings.create(model="chat", input="red"))

    assert caught.value.status_code == 501
    assert caught.value.body["message"] == "Embeddings endpoint not implemented for this model"  # type: ignore[index]
