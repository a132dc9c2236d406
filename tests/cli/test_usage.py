from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from hayhooks.cli.main import USAGE, find_command, main
from hayhooks.cli.usage import parse


def read_cases() -> list[tuple[str, str]]:
    text = Path(__file__).with_name("usage_cases.txt").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [
        (command.removeprefix("$ hayhooks").strip(), expected)
        for command, expected in zip(lines[::2], lines[1::2], strict=True)
    ]


CASES = read_cases()


@pytest.mark.parametrize(("line", "expected"), [case for case in CASES if case[1].startswith("{")])
def test_command_line_is_understood(line: str, expected: str) -> None:
    root = parse(USAGE, shlex.split(line), options_first=True)
    words = [root["<command>"], *root["<args>"]]
    options = root | parse(find_command(words).usage, words)

    names = {"--env-file", "--quiet", "--no-color", *options} - {"<command>", "<args>"}
    assert {name: options[name] for name in names if options[name] and name.startswith(("-", "<"))} == json.loads(
        expected
    )


@pytest.mark.parametrize(("line", "expected"), [case for case in CASES if case[1].startswith("Error")])
def test_wrong_command_line_is_one_line_and_the_usage(
    line: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    code = main(shlex.split(line))

    said = capsys.readouterr()
    first, _, rest = said.err.partition("\n")
    assert (code, said.out, first) == (2, "", expected)
    assert not rest or rest.startswith("Usage:\n  hayhooks ")
