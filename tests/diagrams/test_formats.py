from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from hayhooks.diagrams.dot import write_dot
from hayhooks.diagrams.formats import FORMATS, format_of_file
from hayhooks.diagrams.layout import lay_out
from hayhooks.diagrams.mermaid import write_mermaid
from hayhooks.diagrams.reader import read_graph
from hayhooks.diagrams.svg import Theme, write_svg
from hayhooks.diagrams.text import shortened, type_text
from tests.diagrams.pipelines import ODD_NAMES, SHAPES

SVG = "{http://www.w3.org/2000/svg}"

# The part of Mermaid's language that we write; a text is anything but what ends or begins something.
TEXT = r'"(?:[^"#<>&`\\|;{}\[\]()\n]|#\d+;|<br>)*"'
MERMAID_LINES = re.compile(
    rf"(?:\s+n\d+(?:\[{TEXT}\]|\[\[{TEXT}\]\]|\(\[{TEXT}\]\)))"
    rf"|(?:\s+subgraph c\d+\[{TEXT}\])|(?:\s+end)"
    rf"|(?:  n\d+ (?:-->|-\.->|<-->)(?:\|{TEXT}\|)? n\d+)"
)
QUOTED = r'"(?:[^"\\\n]|\\["\\n])*"'
ATTRIBUTE = rf"[a-z]+=(?:{QUOTED}|[a-z]+)"
ATTRIBUTES = rf"\[{ATTRIBUTE}(?:, {ATTRIBUTE})*\]"
DOT_LINES = re.compile(
    rf"  (?:node|edge) {ATTRIBUTES};|\s+n\d+ {ATTRIBUTES};|\s+subgraph cluster_\d+ \{{|\s+label={QUOTED};|\s*\}}"
    rf"|  n\d+ -> n\d+(?: {ATTRIBUTES})?;"
)


def unescaped(text: str) -> str:
    return re.sub(r"#(\d+);", lambda match: chr(int(match[1])), text)


@pytest.mark.parametrize("shape", SHAPES)
def test_mermaid_follows_its_grammar_and_names_every_end(shape: str) -> None:
    graph = read_graph(shape, SHAPES[shape]())

    first, *lines = write_mermaid(graph).splitlines()

    assert first == "flowchart TD"
    assert [line for line in lines if not MERMAID_LINES.fullmatch(line)] == []
    text = "\n".join(lines)
    assert len(re.findall(r"^\s+n\d+[\[(]", text, re.MULTILINE)) == len(graph.nodes)
    assert len(re.findall(r"^\s+subgraph", text, re.MULTILINE)) == len(re.findall(r"^\s+end$", text, re.MULTILINE))
    assert len(re.findall(r"(?:-->|-\.->)", text)) == len(graph.edges)


@pytest.mark.parametrize("shape", SHAPES)
def test_dot_follows_its_grammar(shape: str) -> None:
    graph = read_graph(shape, SHAPES[shape]())

    first, *lines = write_dot(graph).splitlines()

    assert re.fullmatch(rf"digraph {QUOTED} \{{", first)
    assert [line for line in lines if not DOT_LINES.fullmatch(line)] == []
    assert sum(line.endswith("{") for line in lines) + 1 == sum(line.strip() == "}" for line in lines)
    assert sum(" -> " in line and not line.strip().startswith("label") for line in lines) == len(graph.edges)


@pytest.mark.parametrize("theme", ["light", "dark", "auto"])
@pytest.mark.parametrize("shape", SHAPES)
def test_svg_is_xml_that_refers_to_nothing_outside(shape: str, theme: Theme) -> None:
    graph = read_graph(shape, SHAPES[shape]())

    text = write_svg(lay_out(graph), theme=theme)

    root = ElementTree.fromstring(text)
    assert root.tag == f"{SVG}svg"
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        *("svg", "title", "desc", "style", "defs", "marker", "path", "rect", "g", "text")
    }
    attributes = {name for element in root.iter() for name in element.attrib}
    assert [name for name in attributes if name.startswith("on") or "href" in name] == []
    assert set(re.findall(r"url\(([^)]*)\)", text)) <= {"#arrow", "#arrow-feedback"}
    assert [element.get("data-id") is not None for element in root.iter(f"{SVG}g")].count(True) == len(graph.nodes)
    assert ("prefers-color-scheme" in text) == (theme == "auto")


def test_svg_tells_what_it_shows() -> None:
    root = ElementTree.fromstring(write_svg(lay_out(read_graph("loop", SHAPES["loop"]()))))

    assert root.get("role") == "img"
    assert root.findtext(f"{SVG}title") == "Pipeline loop"
    assert root.findtext(f"{SVG}desc") == (
        "Components: start (BranchJoiner), prompt (PromptBuilder), check (ConditionalRouter). Connections: "
        "start to prompt, prompt to check, check to start, the input to start, check to the output."
    )


def test_odd_names_are_in_every_format_as_they_are_or_printable() -> None:
    graph = read_graph("odd", SHAPES["odd names"]())
    printable = [
        ODD_NAMES[0],
        "line 1 line 2",
        ODD_NAMES[2],
        ODD_NAMES[3],
        "quote\"s, 'apostrophes', `ticks`; [x] {y} |z| \\ # \ufffd ",
    ]

    mermaid = [unescaped(text) for text in re.findall(r'\["(.*?)<br>Step', write_mermaid(graph))]
    dot = [json.loads(f'"{text}"') for text in re.findall(r'style=rounded, label="(.*?)\\nStep', write_dot(graph))]
    svg = ElementTree.fromstring(write_svg(lay_out(graph)))
    titles = [title for group in svg.iter(f"{SVG}g") if (title := group.findtext(f"{SVG}title"))]
    shown = [text.text for text in svg.iter(f"{SVG}text") if text.get("class") == "name"]

    assert mermaid == dot == printable
    assert [title.partition(": Step")[0] for title in titles][:5] == printable
    assert shown == [shortened(name, 42) for name in printable]
    assert json.loads(json.dumps(graph.as_json()))["nodes"][4]["name"] == ODD_NAMES[4]


def hex_colors(style: str) -> Iterator[tuple[str, str, str]]:
    """Yield the parts of each rule with a fill: selector, property, value."""
    for selectors, rules in re.findall(r"([^{}]+)\{([^{}]*)\}", style):
        for rule in rules.split(";"):
            name, _, value = rule.strip().partition(": ")
            yield selectors, name, value


def luminance(color: str) -> float:
    """Return the relative luminance of WCAG 2.2."""
    parts = [int(color[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_has_enough_contrast_on_every_background(theme: Theme) -> None:
    text = write_svg(lay_out(read_graph("agent", SHAPES["agent"]())), theme=theme)
    fills = {
        selector.strip().split(".")[-1].split(" ")[-1]: value
        for selector, name, value in hex_colors(text.partition("<style>")[2].partition("</style>")[0])
        if name == "fill" and value.startswith("#")
    }
    inks = {fills["text"], fills["label-type"]}
    grounds = {fills[name] for name in ("component", "tool", "input", "output", "frame", "behind", "under")}

    ratios = [
        (max(pair) + 0.05) / (min(pair) + 0.05)
        for ink in inks
        for pair in [(luminance(ink), luminance(g)) for g in grounds]
    ]

    assert min(ratios) >= 4.5


@pytest.mark.parametrize(
    ("file", "format"),
    [
        ("a.png", "png"),
        ("dir.svg/A.SVG", "svg"),
        ("a.mmd", "mermaid"),
        ("a.mermaid", "mermaid"),
        ("a.dot", "dot"),
        ("a.gv", "dot"),
        ("a.json", "json"),
        ("a.jpg", None),
        ("png", None),
    ],
)
def test_the_ending_of_a_file_says_the_format(file: str, format: str | None) -> None:
    assert format_of_file(file) == format
    assert format is None or format in FORMATS


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (int, "int"),
        (list[ElementTree.Element], "list[Element]"),
        (int | None, "int | None"),
        ("a.b.C", "C"),
        (type("Strange", (type,), {"__str__": lambda self: 1 // 0})("X", (), {}) | int, "UnionType"),
    ],
    ids=["class", "generic", "union", "text", "raising"],
)
def test_types_are_written_without_modules(annotation: object, text: str) -> None:
    assert type_text(annotation) in (text, "X | int")


def test_a_long_text_keeps_both_ends() -> None:
    texts = [shortened("abcdefghij", length) for length in range(1, 11)]

    assert texts[6:] == ["abcd…ij", "abcde…ij", "abcdef…ij", "abcdefghij"]
    assert all(len(longer) == len(shorter) + 1 for shorter, longer in pairwise(texts))
