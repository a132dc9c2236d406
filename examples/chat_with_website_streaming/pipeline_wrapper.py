from __future__ import annotations

import re
from collections.abc import Generator
from pathlib import Path
from typing import Any

from haystack import Pipeline

from hayhooks import BasePipelineWrapper, get_last_user_message, log, streaming_generator

URLS = ["https://haystack.deepset.ai", "https://www.redis.io", "https://ssi.inc"]

# An address ends before the punctuation of the sentence that it stands in.
ADDRESS = re.compile(r"https?://\S+?(?=[.,;:!?)>\"']*(?:\s|$))")


class PipelineWrapper(BasePipelineWrapper):
    """Answers questions about web pages, word by word in a chat."""

    def setup(self) -> None:
        pipeline_yaml = (Path(__file__).parent / "chat_with_website.yml").read_text()
        self.pipeline = Pipeline.loads(pipeline_yaml)

    def run_api(self, urls: list[str], question: str) -> str:
        """Answer a question from the contents of web pages.

        Args:
            urls: The addresses of the pages.
            question: What you want to know.
        """
        log.trace("Running pipeline with urls: {} and question: {}", urls, question)
        result = self.pipeline.run({"fetcher": {"urls": urls}, "prompt": {"query": question}})
        answer: str = result["llm"]["replies"][0].text
        return answer

    def run_chat_completion(
        self, model: str, messages: list[dict[str, Any]], body: dict[str, Any]
    ) -> Generator[Any, None, None]:
        question = get_last_user_message(messages) or ""
        # A chat has no field for addresses: take those in the question, if there are any.
        urls = ADDRESS.findall(question) or URLS
        return streaming_generator(
            pipeline=self.pipeline,
            pipeline_run_args={"fetcher": {"urls": urls}, "prompt": {"query": question}},
        )
