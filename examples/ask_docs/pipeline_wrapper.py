from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

from haystack import Pipeline
from haystack.components.builders import ChatPromptBuilder
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.components.retrievers import InMemoryBM25Retriever
from haystack.document_stores.in_memory import InMemoryDocumentStore
from pydantic import BaseModel

from hayhooks import BasePipelineWrapper, get_last_user_message, log, streaming_generator

from .extractive import TERM, ExtractiveChatGenerator
from .passages import read_passages

# Each passage carries its parts in `meta`, for the generator that has no model.
PROMPT = """
{% message role="system" %}
Answer the question in the last message from the passages before it and from nothing else. If they do not hold the
answer, say so. Name the file and the section of every passage that you use.
{% endmessage %}
{% for passage in passages %}
{% message role="user" meta={
    "file": passage.meta.file, "heading": passage.meta.heading, "text": passage.meta.text, "score": passage.score
} %}
{{ passage.meta.file }}, section "{{ passage.meta.heading }}":

{{ passage.meta.text }}
{% endmessage %}
{% endfor %}
{% message role="user" %}{{ question }}{% endmessage %}
"""


class Source(BaseModel):
    """A passage that the answer was made from."""

    file: str
    heading: str
    score: float
    text: str


class Answer(BaseModel):
    """An answer and its sources, the best one first."""

    answer: str
    sources: list[Source]


class PipelineWrapper(BasePipelineWrapper):
    """Answers questions about a folder of Markdown files."""

    def setup(self) -> None:
        folder, files = find_files(Path(__file__).resolve().parent)
        store = InMemoryDocumentStore(shared=False, bm25_tokenization_regex=TERM)
        passages = store.write_documents(read_passages(folder, files))
        log.info("Reading {} passages of {} files in {}", passages, len(files), folder)

        self.pipeline = Pipeline()
        self.pipeline.add_component("retriever", InMemoryBM25Retriever(store, top_k=5))
        self.pipeline.add_component("prompt", ChatPromptBuilder(PROMPT))
        self.pipeline.add_component(
            "llm", OpenAIChatGenerator() if os.environ.get("OPENAI_API_KEY") else ExtractiveChatGenerator()
        )
        self.pipeline.connect("retriever.documents", "prompt.passages")
        self.pipeline.connect("prompt.prompt", "llm.messages")

    def run_api(self, question: str) -> Answer:
        """Answer a question from the documents.

        Args:
            question: What you want to know, in a sentence or in keywords.
        """
        result = self.pipeline.run(arguments(question), include_outputs_from={"retriever"})
        return Answer(
            answer=result["llm"]["replies"][0].text,
            sources=[Source(score=passage.score, **passage.meta) for passage in result["retriever"]["documents"]],
        )

    def run_chat_completion(
        self, model: str, messages: list[dict[str, Any]], body: dict[str, Any]
    ) -> Generator[Any, None, None]:
        question = get_last_user_message(messages) or ""
        return streaming_generator(pipeline=self.pipeline, pipeline_run_args=arguments(question))


def arguments(question: str) -> dict[str, Any]:
    # Haystack refuses an empty query and an empty message; a mark finds nothing, which is the answer.
    question = question.strip() or "?"
    return {"retriever": {"query": question}, "prompt": {"question": question}}


def find_files(here: Path) -> tuple[Path, list[Path]]:
    """Return a folder and its Markdown files.

    That is ASK_DOCS_FOLDER; else README.md and docs/ of the project that this example
    stands in; else, where only the example was deployed, its own `documents`.
    """
    chosen = os.environ.get("ASK_DOCS_FOLDER")
    project = here.parents[1]
    if not chosen and (project / "README.md").is_file() and (project / "docs").is_dir():
        return project, [project / "README.md", *markdown_below(project / "docs")]
    folder = Path(chosen) if chosen else here / "documents"
    if not folder.is_dir():
        raise ValueError(f"ASK_DOCS_FOLDER is {chosen!r}, which is no folder.")
    return folder, markdown_below(folder)


def markdown_below(folder: Path) -> list[Path]:
    return [
        file
        for file in sorted(folder.rglob("*.md"))
        if not any(part.startswith(".") for part in file.relative_to(folder).parts)
    ]
