from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest

from hayhooks.diagrams import drawing
from hayhooks.diagrams.drawing import MOST_NODES, Drawings
from hayhooks.diagrams.graph import Edge, Graph, Node, Socket
from hayhooks.diagrams.layout import lay_out
from hayhooks.diagrams.png import write_png
from hayhooks.diagrams.reader import read_graph
from hayhooks.errors import DiagramError, DiagramTooLarge
from tests.diagrams.pipelines import SHAPES, Drawn, chain, search


def size_of(png: bytes) -> tuple[int, int]:
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def pixels(png: bytes) -> bytes:
    """Return the uncompressed data of a PNG; every chunk but the data is left out."""
    data, position = b"", 8
    while position < len(png):
        length, kind = struct.unpack(">I4s", png[position : position + 8])
        if kind == b"IDAT":
            data += png[position + 8 : position + 8 + length]
        position += length + 12
    return zlib.decompress(data)


def row(count: int) -> Graph:
    nodes = [Node(f"n{number}", "component", f"n{number}", "Step") for number in range(count)]
    number = Socket("value", "int")
    edges = [Edge(f"n{index}", f"n{index + 1}", number, number) for index in range(count - 1)]
    return Graph("row", tuple(nodes), tuple(edges))


def test_png_has_twice_the_size_of_the_layout() -> None:
    graph = read_graph("search", Drawn(search()))
    layout = lay_out(graph)

    assert size_of(Drawings().draw(graph, "png")) == (2 * layout.width, 2 * layout.height)


def test_large_png_has_eight_megapixels_at_most() -> None:
    width, height = size_of(write_png(lay_out(row(150))))

    assert 7_800_000 < width * height < 8_100_000


def test_png_has_letters_also_where_the_machine_has_no_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    import resvg_py

    asked: list[dict[str, Any]] = []
    draw = resvg_py.svg_to_bytes

    def remember(**options: Any) -> bytes:
        asked.append(options)
        return bytes(draw(**options))

    monkeypatch.setattr(resvg_py, "svg_to_bytes", remember)

    drawn = write_png(lay_out(read_graph("it", Drawn(chain("Größe, Ωмега")))))
    without_texts = draw(**asked[0] | {"font_files": []})

    assert asked[0]["skip_system_fonts"] is True
    assert pixels(drawn) != pixels(without_texts)
    # Other alphabets may be on the machine; if they are not, the box stays without a name.
    write_png(lay_out(read_graph("it", Drawn(chain("名前")))))
    assert asked[1]["skip_system_fonts"] is False


@pytest.mark.parametrize("format", ["png", "svg", "mermaid", "dot", "json"])
@pytest.mark.parametrize("shape", ["agent", "odd names", "empty"])
def test_a_drawing_is_always_the_same(shape: str, format: str) -> None:
    graph = read_graph(shape, SHAPES[shape]())

    assert Drawings().draw(graph, format) == Drawings().draw(graph, format)


def test_a_drawing_is_made_once_while_the_pipeline_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    drawings = Drawings()
    first = drawings.draw(read_graph("it", Drawn(chain("one", "two"))), "svg")
    # Whatever needs a process from here on fails.
    monkeypatch.setattr(sys, "executable", "/does/not/exist")

    assert drawings.draw(read_graph("it", Drawn(chain("one", "two"))), "svg") == first
    with pytest.raises(DiagramError) as caught:
        drawings.draw(read_graph("it", Drawn(chain("one", "three"))), "svg")

    assert str(caught.value) == "Pipeline 'it' could not be drawn: No such file or directory"


def test_a_graph_with_too_many_boxes_is_refused_as_a_picture_only() -> None:
    graph = row(MOST_NODES + 1)

    with pytest.raises(DiagramTooLarge) as caught:
        Drawings().draw(graph, "png")

    assert str(caught.value) == (
        "Pipeline 'row' has 1001 boxes and can be drawn with 1000 at most; ask for format=mermaid, dot or json"
    )
    assert len(Drawings().draw(graph, "mermaid").splitlines()) == 2002


def test_a_failure_of_the_process_that_draws_is_an_error() -> None:
    graph = Graph("broken", (), (Edge("a", "b"),))

    with pytest.raises(DiagramError) as caught:
        Drawings().draw(graph, "svg")

    assert str(caught.value) == "Pipeline 'broken' could not be drawn: KeyError: 'a'"


def test_a_drawing_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "_TIME_LIMIT", 0.01)

    with pytest.raises(DiagramError) as caught:
        Drawings().draw(row(2), "svg")

    assert str(caught.value) == "Pipeline 'row' could not be drawn within 0.01 s"


def test_the_native_libraries_stay_out_of_the_process_that_asks() -> None:
    # They hold the interpreter's lock while they work, and nothing else would go on.
    script = (
        "import sys\n"
        "from tests.diagrams.test_drawing import row\n"
        "from hayhooks.diagrams.drawing import Drawings\n"
        "print(len(Drawings().draw(row(3), 'png')) > 0, 'graphlay' in sys.modules, 'resvg_py' in sys.modules)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stdout.split() == ["True", "False", "False"]
