from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import requests


def test_the_host_keeps_its_routes_and_the_pipeline_reads_its_data(start: Callable[..., str], examples: Path) -> None:
    url = start("uvicorn", "app:app", "--app-dir", str(examples / "embed_in_starlette"), answers="/notes")

    added = [
        requests.post(f"{url}/notes", data=text, timeout=5)
        for text in ("Milk is in the fridge.", "The key is below the mat.", "The key is below the mat.")
    ]
    found = requests.post(f"{url}/ai/qa/run", json={"question": "Where is the key?"}, timeout=30)

    assert [(answer.status_code, answer.json()) for answer in added] == [
        (201, {"notes": 1}),
        (201, {"notes": 2}),
        (201, {"notes": 2}),
    ]
    assert requests.get(f"{url}/notes", timeout=5).json() == {"notes": 2}
    assert found.json()["result"][0] == "The key is below the mat."
    assert requests.get(f"{url}/ai/status", timeout=5).json()["pipelines"] == ["qa"]
    assert requests.post(f"{url}/qa/run", json={"question": "Where?"}, timeout=5).status_code == 404
    assert requests.post(f"{url}/ai/undeploy/qa", timeout=5).status_code == 404
