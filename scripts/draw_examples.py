"""Draw the pipelines of the examples into docs/diagrams/."""

from __future__ import annotations

from pathlib import Path

from hayhooks import Hayhooks
from hayhooks.diagrams.drawing import Drawings
from hayhooks.diagrams.reader import read_graph

ROOT = Path(__file__).resolve().parent.parent
DRAWINGS = ROOT / "docs" / "diagrams"


def draw_examples() -> dict[str, str]:
    """Return the drawings of the examples that have a pipeline, as SVG by their names."""
    hooks = Hayhooks()
    drawn = {}
    folders = [wrapper.parent for wrapper in ROOT.glob("examples/*/pipeline_wrapper.py")]
    for source in sorted([*folders, *ROOT.glob("examples/yaml_pipelines/*.yml")]):
        name = source.stem
        deployment = hooks.deploy(name, source)
        if deployment.wrapper.pipeline is not None:
            graph = read_graph(name, deployment.wrapper)
            drawn[name] = Drawings().draw(graph, "svg").decode()
    return drawn


def main() -> None:
    DRAWINGS.mkdir(exist_ok=True)
    for name, text in draw_examples().items():
        (DRAWINGS / f"{name}.svg").write_text(text, encoding="utf-8")
        print(f"docs/diagrams/{name}.svg")


if __name__ == "__main__":
    main()
