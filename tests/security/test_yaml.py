"""YAML names classes. Only those of allowed modules are imported."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from hayhooks import Hayhooks

YAML = """
components:
  evil:
    type: {type}
    init_parameters: {{}}
connections: []
inputs:
  text: evil.text
outputs:
  text: evil.text
"""


@pytest.fixture
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that a module `foreign` writes where it is imported."""
    (tmp_path / "modules").mkdir()
    written = tmp_path / "imported"
    (tmp_path / "modules" / "foreign.py").write_text(f"open({str(written)!r}, 'w').close()\nclass Evil: ...\n")
    monkeypatch.syspath_prepend(tmp_path / "modules")
    return written


@pytest.mark.parametrize("kind", ["foreign.Evil", "os.system", "subprocess.Popen", "builtins.eval"])
def test_class_of_another_module_is_refused(marker: Path, tmp_path: Path, kind: str) -> None:
    source = YAML.format(type=kind)
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "found.yml").write_text(source)
    app = Hayhooks(tmp_path / "pipelines")
    with TestClient(app) as client:
        answers = [
            client.post(path, json={"name": "qa", "source_code": source}) for path in ("/deploy-yaml", "/deploy")
        ]
        served = client.get("/status").json()

    assert [answer.status_code for answer in answers] == [422, 422]
    assert {"'evil'" in answer.json()["detail"] for answer in answers} == {True}
    assert (served["pipelines"], list(served["failures"])) == ([], ["found"])
    assert not marker.exists() and "foreign" not in sys.modules
