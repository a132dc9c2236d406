"""A user's async generator may hold what belongs to one task, from its first chunk to its last."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from hayhooks import Hayhooks
from tests.http.wrappers import deploy

GENERATORS = {
    "task-group": """
        async with anyio.create_task_group():
            yield "a"
            yield "b"
    """,
    "context-variable": """
        token = seen.set("mine")
        yield "a"
        yield "b" if seen.get() == "mine" else "lost"
        seen.reset(token)
    """,
    "timeout": """
        try:
            async with asyncio.timeout(0.05):
                yield "a"
                await asyncio.sleep(5)
        except TimeoutError:
            yield "b"
    """,
}


def methods(body: str, *, is_sse: bool) -> str:
    lines = [line.removeprefix("        ") for line in body.strip("\n").splitlines()]
    generator = "\n".join(f"        {line}" for line in lines)
    stream = "SSEStream(chunks())" if is_sse else "chunks()"
    return (
        "async def run_api_async(self) -> AsyncGenerator:\n"
        "    import anyio, contextvars\n"
        "    seen = contextvars.ContextVar('seen', default='')\n"
        f"    async def chunks():\n{generator}\n"
        f"    return {stream}\n"
    )


@pytest.mark.parametrize("kind", GENERATORS)
@pytest.mark.parametrize("is_sse", [False, True], ids=["text", "events"])
def test_generator_keeps_its_task(app: Hayhooks, client: TestClient, kind: str, is_sse: bool) -> None:
    deploy(app, methods(GENERATORS[kind], is_sse=is_sse))
    response = client.post("/p/run", json={})

    assert (response.status_code, response.text) == (200, "data: a\n\ndata: b\n\n" if is_sse else "ab")
