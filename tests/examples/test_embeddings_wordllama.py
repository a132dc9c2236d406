from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from haystack.components.embedders import OpenAITextEmbedder
from haystack.utils import Secret
from openai import BadRequestError, OpenAI

MODEL = "embeddings_wordllama"
BIKES, REPAIRS, SOUP = "Who fixes bikes?", "Jean repairs bicycles in Paris.", "The soup is hot."


@pytest.fixture
def url(serve: Callable[..., str], pipelines: Path, examples: Path) -> str:
    (pipelines / MODEL).symlink_to(examples / MODEL)
    return f"{serve(pipelines)}/v1"


@pytest.fixture
def client(url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=url, api_key="any", max_retries=0) as client:
        yield client


def embed(client: OpenAI, *texts: str, **options: Any) -> list[list[float]]:
    answer = client.embeddings.create(model=MODEL, input=list(texts), **options)
    assert [entry.index for entry in answer.data] == list(range(len(texts)))
    return [entry.embedding for entry in answer.data]


def similarity(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_texts_that_mean_the_same_are_near_at_every_size(client: OpenAI) -> None:
    for size in (64, 128, 256):
        question, near, far = embed(client, BIKES, REPAIRS, SOUP, dimensions=size)

        assert [len(vector) for vector in (question, near, far)] == [size] * 3
        assert all(math.isclose(similarity(vector, vector), 1, abs_tol=1e-5) for vector in (question, near, far))
        assert similarity(question, near) > 0.3 > 0.1 > similarity(question, far)


def test_a_batch_gives_the_vectors_that_each_text_gets_alone(client: OpenAI) -> None:
    texts = [f"Text number {number}" for number in range(200)]
    batch = embed(client, *texts)

    (alone,) = embed(client, texts[150], encoding_format="float")

    assert len(batch) == 200
    assert batch[150] == pytest.approx(alone, abs=1e-6)
    assert embed(client, "") == [[0.0] * 256]


def test_what_the_model_cannot_do_is_refused(client: OpenAI) -> None:
    with pytest.raises(BadRequestError, match="256, 128 or 64 dimensions, not 100"):
        embed(client, BIKES, dimensions=100)
    with pytest.raises(BadRequestError, match="takes texts"):
        client.embeddings.create(model=MODEL, input=[1, 2])


def test_haystack_embeds_with_it(url: str) -> None:
    embedder = OpenAITextEmbedder(model=MODEL, api_base_url=url, api_key=Secret.from_token("any"), dimensions=64)

    result = embedder.run(BIKES)

    assert (len(result["embedding"]), result["meta"]["model"]) == (64, MODEL)
    assert embedder.client is not None
    embedder.client.close()
