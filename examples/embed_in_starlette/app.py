"""A Starlette app with pages of its own that serves a pipeline over its data under /ai."""

from __future__ import annotations

import uvicorn
from haystack import Document, Pipeline
from haystack.components.retrievers import InMemoryBM25Retriever
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.document_stores.types import DuplicatePolicy
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from hayhooks import BasePipelineWrapper, Hayhooks

notes = InMemoryDocumentStore(shared=False)


class SearchWrapper(BasePipelineWrapper):
    """Finds the notes that fit a question."""

    def __init__(self, store: InMemoryDocumentStore) -> None:
        super().__init__()
        self.store = store

    def setup(self) -> None:
        self.pipeline = Pipeline()
        self.pipeline.add_component("retriever", InMemoryBM25Retriever(self.store, top_k=3))

    def run_api(self, question: str) -> list[str]:
        documents = self.pipeline.run({"retriever": {"query": question}})["retriever"]["documents"]
        return [document.content for document in documents]


async def add_note(request: Request) -> JSONResponse:
    """Keep the text of the request as a note."""
    text = (await request.body()).decode()
    notes.write_documents([Document(content=text)], policy=DuplicatePolicy.SKIP)
    return JSONResponse({"notes": notes.count_documents()}, status_code=201)


async def count_notes(request: Request) -> JSONResponse:
    """Say how many notes there are."""
    return JSONResponse({"notes": notes.count_documents()})


hooks = Hayhooks(admin=False)
hooks.deploy("qa", SearchWrapper(notes))
app = Starlette(
    routes=[
        Route("/notes", add_note, methods=["POST"]),
        Route("/notes", count_notes),
        Mount("/ai", app=hooks),
    ],
    lifespan=hooks.lifespan,
)

if __name__ == "__main__":
    uvicorn.run(app)
