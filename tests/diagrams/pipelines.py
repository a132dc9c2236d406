"""Pipelines of the shapes that are drawn, in wrappers."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Annotated, Any

from haystack import Document, Pipeline, SuperComponent, component
from haystack.components.agents import Agent
from haystack.components.builders import PromptBuilder
from haystack.components.embedders import MockTextEmbedder
from haystack.components.generators.chat import MockChatGenerator
from haystack.components.joiners import BranchJoiner, DocumentJoiner
from haystack.components.retrievers import InMemoryBM25Retriever, InMemoryEmbeddingRetriever
from haystack.components.routers import ConditionalRouter
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.tools import tool
from haystack.tools.tool import Tool

from hayhooks import BasePipelineWrapper, YAMLPipelineWrapper

ODD_NAMES = [
    '<script>alert("x")</script> & co',
    "line 1\nline 2",
    "größe — 名前 🙂 Ω",
    "a" * 120,
    "quote\"s, 'apostrophes', `ticks`; [x] {y} |z| \\ # \ud800\x00",
]


@component
class Step:
    """Passes a number on."""

    @component.output_types(value=int, documents=list[Document])
    def run(self, value: int, extra: int | None = None, more: list[Document] | None = None) -> dict[str, Any]:
        """Return the number."""
        return {"value": value, "documents": []}


class Drawn(BasePipelineWrapper):
    """Holds a pipeline."""

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline

    def setup(self) -> None: ...

    def run_api(self) -> str:
        return ""


def chain(*names: str) -> Pipeline:
    """Return steps in a row with two connections from each to the next."""
    pipeline = Pipeline()
    for name in names:
        pipeline.add_component(name, Step())
    for name, following in zip(names, names[1:], strict=False):
        pipeline.connect(f"{name}.value", f"{following}.value")
        pipeline.connect(f"{name}.documents", f"{following}.more")
    return pipeline


def search() -> Pipeline:
    """Return a search in two indexes, joined, with an answer."""
    store = InMemoryDocumentStore(shared=False)
    pipeline = Pipeline()
    pipeline.add_component("embedder", MockTextEmbedder())
    pipeline.add_component("dense", InMemoryEmbeddingRetriever(store))
    pipeline.add_component("sparse", InMemoryBM25Retriever(store))
    pipeline.add_component("joiner", DocumentJoiner())
    pipeline.add_component("prompt", PromptBuilder("{{documents}} {{question}}"))
    pipeline.add_component("llm", MockChatGenerator("x"))
    pipeline.connect("embedder.embedding", "dense.query_embedding")
    pipeline.connect("dense", "joiner")
    pipeline.connect("sparse", "joiner")
    pipeline.connect("joiner", "prompt.documents")
    pipeline.connect("prompt.prompt", "llm.messages")
    return pipeline


def _router(**outputs: str) -> ConditionalRouter:
    return ConditionalRouter(
        [
            {"condition": condition, "output": "{{text}}", "output_name": name, "output_type": str}
            for name, condition in outputs.items()
        ]
    )


def branches() -> Pipeline:
    """Return a router, a branch for each case, and a joiner."""
    pipeline = Pipeline()
    pipeline.add_component("router", _router(long="{{text|length > 9}}", short="{{True}}"))
    pipeline.add_component("shorten", PromptBuilder("{{text}}"))
    pipeline.add_component("expand", PromptBuilder("{{text}}"))
    pipeline.add_component("joiner", BranchJoiner(str))
    pipeline.connect("router.long", "shorten.text")
    pipeline.connect("router.short", "expand.text")
    pipeline.connect("shorten.prompt", "joiner.value")
    pipeline.connect("expand.prompt", "joiner.value")
    return pipeline


def loop() -> Pipeline:
    """Return a loop that begins with a joiner: nothing in it has a required input that is free."""
    pipeline = Pipeline()
    pipeline.add_component("start", BranchJoiner(str))
    pipeline.add_component("prompt", PromptBuilder("{{text}}"))
    pipeline.add_component("check", _router(done="{{text|length > 9}}", again="{{True}}"))
    pipeline.connect("start.value", "prompt.text")
    pipeline.connect("prompt.prompt", "check.text")
    pipeline.connect("check.again", "start.value")
    return pipeline


@tool
def weather(city: Annotated[str, "where"]) -> str:
    """Tell the weather."""
    return city


@tool
def final_answer(text: Annotated[str, "what"]) -> str:
    """End."""
    return text


def agent(*more: Tool) -> Agent:
    """Return an agent with two tools and others."""
    return Agent(
        chat_generator=MockChatGenerator("x"),
        tools=[weather, final_answer, *more],
        exit_conditions=["text", "final_answer"],
        max_agent_steps=7,
    )


def many_tools(count: int) -> list[Tool]:
    """Return so many tools."""
    return [
        Tool(name=f"tool_{number}", description="x", parameters={"type": "object"}, function=str)
        for number in range(count)
    ]


def nested() -> Pipeline:
    """Return a pipeline with a pipeline within a pipeline in it, and an agent."""
    inner = SuperComponent(
        search(),
        input_mapping={"query": ["embedder.text", "sparse.query", "prompt.question"]},
        output_mapping={"llm.replies": "replies"},
    )
    middle = Pipeline()
    middle.add_component("search", inner)
    pipeline = Pipeline()
    pipeline.add_component("clean", PromptBuilder("{{text}}"))
    pipeline.add_component("rag", SuperComponent(middle))
    pipeline.add_component("agent", agent())
    pipeline.connect("clean.prompt", "rag.query")
    pipeline.connect("rag.replies", "agent.messages")
    return pipeline


def many(count: int, *, seed: int = 3) -> Pipeline:
    """Return so many steps, each after one of the six before it, some with a second connection."""
    chance = random.Random(seed)
    pipeline = Pipeline()
    for number in range(count):
        pipeline.add_component(f"step {number}", Step())
        if number:
            pipeline.connect(f"step {chance.randrange(max(0, number - 6), number)}.value", f"step {number}.value")
    for _ in range(count // 4):
        first, second = sorted(chance.sample(range(count), 2))
        if f"step {first}" not in pipeline.graph.nodes[f"step {second}"]["input_sockets"]["more"].senders:
            pipeline.connect(f"step {first}.documents", f"step {second}.more")
    return pipeline


def declared() -> YAMLPipelineWrapper:
    """Return a YAML pipeline with names of its own for inputs and outputs."""
    wrapper = YAMLPipelineWrapper.from_yaml("""
components:
  first:
    type: haystack.components.builders.prompt_builder.PromptBuilder
    init_parameters: {template: "{{name}} {{greeting}}", required_variables: "*"}
  second:
    type: haystack.components.builders.prompt_builder.PromptBuilder
    init_parameters: {template: "{{text}} {{name}}", required_variables: "*"}
connections:
  - {sender: first.prompt, receiver: second.text}
inputs:
  person: [first.name, second.name]
  greeting: first.greeting
outputs:
  letter: second.prompt
  draft: first.prompt
""")
    wrapper.setup()
    return wrapper


SHAPES: dict[str, Callable[[], BasePipelineWrapper]] = {
    "search": lambda: Drawn(search()),
    "branches": lambda: Drawn(branches()),
    "loop": lambda: Drawn(loop()),
    "agent": lambda: Drawn(agent()),
    "many tools": lambda: Drawn(agent(*many_tools(20))),
    "nested": lambda: Drawn(nested()),
    "declared": declared,
    "single": lambda: Drawn(MockChatGenerator("x")),
    "empty": lambda: Drawn(Pipeline()),
    "odd names": lambda: Drawn(chain(*ODD_NAMES)),
    "60 steps": lambda: Drawn(many(60)),
    # graphlay 0.3.1 would lead a line of this one through its own box.
    "59 steps": lambda: Drawn(many(59, seed=11)),
}
