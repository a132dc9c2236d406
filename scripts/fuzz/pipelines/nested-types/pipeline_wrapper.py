"""Takes models, dataclasses and Haystack's own types."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from haystack.dataclasses import ChatMessage, Document
from pydantic import BaseModel, Field

from hayhooks import BasePipelineWrapper


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Node(BaseModel):
    name: str = Field(min_length=1, alias="Name")
    children: list[Node] = []
    colour: Colour | None = None


@dataclass
class Point:
    x: float
    y: float = 0.0


class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None: ...

    async def run_api_async(
        self,
        node: Node,
        points: list[Point],
        documents: list[Document] | None = None,
        messages: list[ChatMessage] | None = None,
        **rest: object,
    ) -> list[Document]:
        return [Document(content="x")]
