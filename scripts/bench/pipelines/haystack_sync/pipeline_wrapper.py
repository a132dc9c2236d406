from __future__ import annotations

from typing import Any

from haystack import Pipeline, component

from hayhooks import BasePipelineWrapper


@component
class Strip:
    @component.output_types(text=str)
    def run(self, text: str) -> dict[str, Any]:
        return {"text": text.strip()}


@component
class Upper:
    @component.output_types(text=str)
    def run(self, text: str) -> dict[str, Any]:
        return {"text": text.upper()}


@component
class Exclaim:
    @component.output_types(text=str)
    def run(self, text: str) -> dict[str, Any]:
        return {"text": text + "!"}


def build_pipeline() -> Pipeline:
    pipeline = Pipeline()
    pipeline.add_component("strip", Strip())
    pipeline.add_component("upper", Upper())
    pipeline.add_component("exclaim", Exclaim())
    pipeline.connect("strip.text", "upper.text")
    pipeline.connect("upper.text", "exclaim.text")
    return pipeline


class PipelineWrapper(BasePipelineWrapper):
    """Runs a pipeline of three tiny components."""

    def setup(self) -> None:
        self.pipeline = build_pipeline()

    def run_api(self, text: str) -> str:
        result = self.pipeline.run({"strip": {"text": text}})
        answer: str = result["exclaim"]["text"]
        return answer
