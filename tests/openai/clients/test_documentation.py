"""The table of clients names tests that are there."""

from __future__ import annotations

import re

from tests.openai.clients.process import HERE, ROOT


def test_the_tests_that_the_documentation_names_are_there() -> None:
    named = set(re.findall(r"`(test_\w+\.py)::(test_\w+)`", (ROOT / "docs/clients.md").read_text(encoding="utf-8")))

    there = {
        (file.name, test)
        for file in HERE.glob("test_*.py")
        for test in re.findall(r"^(?:async )?def (test_\w+)\(", file.read_text(encoding="utf-8"), re.MULTILINE)
    }

    assert named and named - there == set()
