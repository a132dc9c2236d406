"""What the tests of trials share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from hayhooks import Hayhooks, Settings

JSON = dict[str, Any]


@pytest.fixture
def app(tmp_path: Path) -> Hayhooks:
    return Hayhooks(tmp_path / "pipelines", settings=Settings(trial_timeout=30))


@pytest.fixture
def client(app: Hayhooks) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


def tried(client: TestClient, path: str = "/deploy_files", **body: Any) -> JSON:
    """Return the report on a pipeline."""
    response = client.post(path, params={"dry_run": "true"}, json={"name": "qa", **body})
    assert response.status_code == 200, response.text
    report: JSON = response.json()
    return report


def problem(message: str, *, line: int | None = None, hint: str | None = None, severity: str = "error") -> JSON:
    """Return a problem as a report has it."""
    file = "pipeline_wrapper.py" if line else None
    return {"severity": severity, "message": message, "file": file, "line": line, "hint": hint}
