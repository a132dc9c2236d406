from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from haystack import Pipeline
from haystack.tools import Toolset

from hayhooks.diagrams.graph import Graph, Socket
from hayhooks.diagrams.reader import read_graph
from hayhooks.errors import DiagramError, HayhooksError, PipelineNotDrawable
from tests.diagrams.pipelines import SHAPES, Drawn, Step, agent, chain, declared, loop, many_tools, nested, search


def connections(graph: Graph) -> list[tuple[str, str, str, str]]:
    """Return source, target, label and type of each edge."""
    return [(edge.source, edge.target, edge.label, edge.type) for edge in graph.edges]


def test_a_pipeline_becomes_boxes_and_connections() -> None:
    pipeline = chain("one", "two")

    assert json.loads(json.dumps(read_graph("steps", Drawn(pipeline)).as_json())) == {
        "name": "steps",
        "nodes": [
            {
                "id": "one",
                "kind": "component",
                "name": "one",
                "type": "Step",
                "sockets": [
                    {"name": "extra", "type": "int | None", "is_variadic": False},
                    {"name": "more", "type": "list[Document] | None", "is_variadic": False},
                ],
                "notes": [],
                "cluster": None,
            },
            {
                "id": "two",
                "kind": "component",
                "name": "two",
                "type": "Step",
                "sockets": [{"name": "extra", "type": "int | None", "is_variadic": False}],
                "notes": [],
                "cluster": None,
            },
            {
                "id": ".input.one.",
                "kind": "input",
                "name": "input",
                "type": "",
                "sockets": [{"name": "value", "type": "int", "is_variadic": False}],
                "notes": [],
                "cluster": None,
            },
            {
                "id": ".output.two.",
                "kind": "output",
                "name": "output",
                "type": "",
                "sockets": [
                    {"name": "value", "type": "int", "is_variadic": False},
                    {"name": "documents", "type": "list[Document]", "is_variadic": False},
                ],
                "notes": [],
                "cluster": None,
            },
        ],
        "edges": [
            edge("one", "two", output=("value", "int"), input=("value", "int")),
            edge("one", "two", output=("documents", "list[Document]"), input=("more", "list[Document] | None")),
            edge(".input.one.", "one"),
            edge("two", ".output.two."),
        ],
        "clusters": [],
    }


def edge(
    source: str, target: str, *, output: tuple[str, str] | None = None, input: tuple[str, str] | None = None
) -> dict[str, Any]:
    ends = [item and {"name": item[0], "type": item[1], "is_variadic": False} for item in (output, input)]
    return {
        "source": source,
        "target": target,
        "output": ends[0],
        "input": ends[1],
        "is_feedback": False,
        "is_mutual": False,
    }


def test_an_input_that_collects_values_has_a_star() -> None:
    graph = read_graph("search", Drawn(search()))

    assert connections(graph)[1:4] == [
        ("dense", "joiner", "*documents", "list[Document]"),
        ("sparse", "joiner", "*documents", "list[Document]"),
        ("joiner", "prompt", "documents", "list[Document]"),
    ]


def test_the_way_back_of_a_loop_is_marked_and_its_joiner_is_the_entry() -> None:
    graph = read_graph("loop", Drawn(loop()))

    assert [(edge.source, edge.target) for edge in graph.edges if edge.is_feedback] == [("check", "start")]
    assert [(node.id, node.sockets) for node in graph.nodes if node.kind == "input"] == [
        (".input.start.", (Socket("value", "str", is_variadic=True),))
    ]


def test_declared_inputs_and_outputs_are_shown_with_their_public_names() -> None:
    graph = read_graph("declared", declared())

    shown = [(node.kind, [socket.name for socket in node.sockets]) for node in graph.nodes[2:]]
    assert shown == [("input", ["person"]), ("input", ["greeting"]), ("output", ["letter"]), ("output", ["draft"])]
    assert connections(graph)[1:] == [
        (".input.person", "first", "name", "Any"),
        (".input.person", "second", "name", "Any"),
        (".input.greeting", "first", "", ""),
        ("second", ".output.letter", "prompt", "str"),
        ("first", ".output.draft", "prompt", "str"),
    ]


def test_an_agent_is_a_frame_with_its_generator_tools_and_exits() -> None:
    graph = read_graph("adviser", Drawn(agent()))

    assert [(item.name, item.type, item.notes) for item in graph.clusters] == [
        ("Agent", "Agent", ("ends on text, final_answer", "at most 7 steps"))
    ]
    assert [(node.kind, node.name, node.type, node.notes) for node in graph.nodes[:3]] == [
        ("component", "chat_generator", "MockChatGenerator", ("mock-model",)),
        ("tool", "weather", "tool", ()),
        ("tool", "final_answer", "tool", ()),
    ]
    assert [(edge.source, edge.target, edge.is_mutual) for edge in graph.edges] == [
        ("Agent.chat_generator", "Agent.tools.weather", True),
        ("Agent.chat_generator", "Agent.tools.final_answer", True),
        (".input.Agent.", "Agent.chat_generator", False),
        ("Agent.chat_generator", ".output.Agent.", False),
    ]


def test_many_tools_share_a_box_and_those_of_toolsets_are_among_them() -> None:
    adviser = agent()
    adviser.tools = [*many_tools(8), Toolset(many_tools(10))]

    tools = [node for node in read_graph("adviser", Drawn(adviser)).nodes if node.kind == "tool"]

    assert [(node.name, node.notes) for node in tools] == [
        ("10 tools", tuple(f"tool_{number}" for number in range(10))),
    ]


def test_pipelines_within_pipelines_are_frames_and_connections_lead_inside() -> None:
    graph = read_graph("nested", Drawn(nested()))

    assert [(item.id, item.type, item.cluster) for item in graph.clusters] == [
        ("rag", "SuperComponent", None),
        ("rag.search", "SuperComponent", "rag"),
        ("agent", "Agent", None),
    ]
    assert [item for item in connections(graph) if item[0] == "clean" or item[1].startswith("agent.chat")] == [
        ("clean", "rag.search.embedder", "prompt › text", "str"),
        ("clean", "rag.search.sparse", "prompt › query", "str"),
        ("clean", "rag.search.prompt", "prompt › question", "str"),
        ("rag.search.llm", "agent.chat_generator", "replies › messages", "list[ChatMessage]"),
    ]


def test_a_single_component_is_drawn_with_its_inputs_and_outputs() -> None:
    graph = read_graph("single", SHAPES["single"]())

    assert connections(graph) == [
        (".input.MockChatGenerator.", "MockChatGenerator", "", ""),
        ("MockChatGenerator", ".output.MockChatGenerator.", "", ""),
    ]


def test_reading_changes_nothing_in_the_pipeline() -> None:
    pipeline = nested()
    before = (pipeline.to_dict(), pipeline.inputs(), pipeline.outputs())

    read_graph("nested", Drawn(pipeline))

    assert (pipeline.to_dict(), pipeline.inputs(), pipeline.outputs()) == before


def test_a_pipeline_longer_than_the_stack_of_python_is_read() -> None:
    pipeline = Pipeline()
    for number in range(1500):
        pipeline.add_component(str(number), Step())
        pipeline.graph.nodes[str(number)]["input_sockets"]["value"].senders.append("x")
    for number in range(1499):
        sockets = [
            pipeline.graph.nodes[str(number)]["output_sockets"]["value"],
            pipeline.graph.nodes[str(number + 1)]["input_sockets"]["value"],
        ]
        pipeline.graph.add_edge(str(number), str(number + 1), from_socket=sockets[0], to_socket=sockets[1])

    graph = read_graph("long", Drawn(pipeline))

    assert sum(edge.is_feedback for edge in graph.edges) == 0
    assert len(graph.edges) == 1499 + 1500


class Raising:
    @property
    def graph(self) -> Any:
        raise RuntimeError("secret")


class Leaving(Drawn):
    def __init__(self) -> None: ...

    @property
    def pipeline(self) -> Any:
        raise SystemExit


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: Drawn(None), PipelineNotDrawable, "its wrapper sets no `pipeline`"),
        (
            lambda: Drawn({"a": 1}),
            PipelineNotDrawable,
            "the `pipeline` of its wrapper is of type 'dict', not a Haystack pipeline or component",
        ),
        (lambda: Drawn(Raising()), DiagramError, "reading it failed with RuntimeError"),
        (Leaving, DiagramError, "reading it failed with SystemExit"),
    ],
    ids=["none", "other", "raising", "leaving"],
)
def test_what_cannot_be_drawn_is_said(make: Callable[[], Drawn], error: type[HayhooksError], said: str) -> None:
    with pytest.raises(error) as caught:
        read_graph("it", make())

    assert (type(caught.value), str(caught.value)) == (error, f"Pipeline 'it' cannot be drawn: {said}")
