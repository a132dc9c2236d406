"""What has to be documented is, and what the documentation shows works."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from starlette.routing import Route

from hayhooks import BasePipelineWrapper, Hayhooks, Settings, errors
from hayhooks.cli.main import COMMANDS, USAGE, find_command
from hayhooks.deploy.sources import YamlSource

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
ALL_PAGES = [*PAGES, *sorted(ROOT.glob("examples/*/README.md")), *sorted(ROOT.glob("scripts/*.md"))]

FENCE = re.compile(
    r"(?P<comment><!-- not run: .+ -->\n)?```(?P<language>\w*)\n(?P<code>.*?)^```", re.MULTILINE | re.DOTALL
)
LINK = re.compile(r"\]\((?!https?:)(?P<file>[^)#\s]*)#?(?P<anchor>[^)\s]*)\)")


class Block(NamedTuple):
    """A piece of code in a page."""

    page: Path
    line: int
    code: str
    is_run: bool


def read_page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def blocks(language: str) -> list[Any]:
    """Return the pieces of code in one language, as parameters of a test."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in FENCE.finditer(text):
            if match["language"] == language:
                # Python counts lines from where the code begins.
                line = text.count("\n", 0, match.start("code"))
                block = Block(page, line, match["code"], match["comment"] is None)
                found.append(pytest.param(block, id=f"{page.name}:{line + 1}"))
    return found


def row(*cells: str) -> str:
    return "".join(f"| {cell} " if cell else "| " for cell in cells) + "|"


def shown(value: Any) -> str:
    """Return the value of a setting as a user would write it."""
    if value is None or value in ("", []):
        return ""
    if isinstance(value, bool):
        value = str(value).lower()
    return f"`{','.join(value)}`" if isinstance(value, list) else f"`{value}`"


SETTINGS = {
    f"HAYHOOKS_{name.upper()}": row(f"`HAYHOOKS_{name.upper()}`", shown(field.default), field.description or "")
    for name, field in Settings.model_fields.items()
}
EXCEPTIONS = {
    name: f"| `{name}` | {value.status_code} | `{value.code}` |"
    for name, value in vars(errors).items()
    if inspect.isclass(value) and issubclass(value, errors.HayhooksError)
}
COMPAT_LINES = [
    line for line in (ROOT / "tests/compat_paths.txt").read_text().splitlines() if line and not line.startswith("#")
]


def compat_row(line: str) -> str:
    path, name, home = line.split()
    module, _, other_name = home.partition(":")
    return row(f"`{path}`", f"`{name}`", f"`{module}.{other_name or name}`")


class Chatting(BasePipelineWrapper):
    """Has every kind of route."""

    def setup(self) -> None: ...

    def run_api(self) -> str:
        return ""

    def run_chat_completion(self, model: str, messages: list[dict[str, Any]], body: dict[str, Any]) -> str:
        return ""


# As version 0.1 took it: served by a route of its own.
OLD_YAML = YamlSource("components: {x: {type: haystack.testing.sample_components.double.Double}}", derives_sockets=True)


def served_routes() -> Iterator[str]:
    """Yield method and path of every route, those of a pipeline included."""
    app = Hayhooks()
    for route in app.routes:
        if isinstance(route, Route):
            yield from (f"{method} {route.path_format}" for method in sorted(route.methods or ()) if method != "HEAD")
    deployed = [app.deploy("any", Chatting()), app.deploy("old", OLD_YAML)]
    yield from dict.fromkeys(
        f"{method} /{{pipeline}}/{pipeline_route.path}".rstrip("/")
        for deployment in deployed
        for pipeline_route in app.pipelines.routes_of(deployment)
        for method in sorted(pipeline_route.methods - {"HEAD"})
    )


@pytest.mark.parametrize("variable", SETTINGS)
def test_setting_is_documented_with_default_and_meaning(variable: str) -> None:
    assert SETTINGS[variable] in read_page("settings.md").splitlines()


def test_table_of_settings_has_no_others() -> None:
    section = read_page("settings.md").partition("## Which settings does the server have?")[2].partition("\n## ")[0]

    assert {line for line in section.splitlines() if line.startswith("| `")} == set(SETTINGS.values())


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_usage_text_is_in_the_documentation(command: str) -> None:
    usage = find_command(command.split()).usage if command else USAGE

    assert f"```text\n{usage}```\n" in read_page("command-line.md")


@pytest.mark.parametrize("route", list(served_routes()))
def test_route_is_documented(route: str) -> None:
    assert f"`{route}`" in read_page("http.md")


def test_no_other_route_is_documented() -> None:
    table = read_page("http.md").partition("| route | does |")[2].partition("\n\n")[0]

    assert set(re.findall(r"`([A-Z]+ /[^`]*)`", table)) == set(served_routes())


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_exception_is_documented_with_status_and_code(name: str) -> None:
    assert EXCEPTIONS[name] in read_page("errors.md")


@pytest.mark.parametrize("line", COMPAT_LINES, ids=lambda line: ".".join(line.split()[:2]))
def test_name_of_upstream_is_documented(line: str) -> None:
    assert compat_row(line) in read_page("compatibility.md").splitlines()


def test_no_other_name_of_upstream_is_documented() -> None:
    rows = {line for line in read_page("compatibility.md").splitlines() if line.startswith("| `hayhooks")}

    assert rows == set(map(compat_row, COMPAT_LINES))


@pytest.mark.parametrize("block", blocks("python"))
def test_python_code_works(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = compile("\n" * block.line + block.code, str(block.page), "exec")
    monkeypatch.chdir(tmp_path)

    if block.is_run and "PipelineWrapper" in code.co_names:
        assert Hayhooks().deploy("shown", {"pipeline_wrapper.py": block.code}).name == "shown"
    elif block.is_run:
        exec(code, {})


@pytest.mark.parametrize("block", blocks("yaml"))
def test_yaml_pipeline_is_deployed(block: Block) -> None:
    assert yaml.safe_load(block.code)

    if block.is_run:
        assert Hayhooks().deploy("shown", block.code).type == "pipeline"


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files_and_headings(page: Path) -> None:
    broken = [
        match[0]
        for match in LINK.finditer(page.read_text(encoding="utf-8"))
        for target in [page.parent / match["file"] if match["file"] else page]
        if not target.exists() or (match["anchor"] and match["anchor"] not in anchors(target))
    ]

    assert broken == []


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_index_lists_every_page() -> None:
    pages = {page.name for page in DOCS.glob("*.md")} - {"README.md"}

    assert {match["file"] for match in LINK.finditer(read_page("README.md"))} == pages
