"""Print how many routes a deploy and an undeploy leave; run by the Python of a contender, the wrapper on its stdin."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from starlette.testclient import TestClient

from hayhooks import create_app


def count(routes: Iterable[Any]) -> int:
    """Count routes, and those inside them."""
    return sum(1 + count(getattr(route, "routes", None) or ()) for route in routes)


def main() -> None:
    app = create_app()
    with TestClient(app) as client:
        before = count(app.routes)
        body = {"name": "qa", "files": {"pipeline_wrapper.py": sys.stdin.read()}, "save_files": False}
        client.post("/deploy_files", json=body).raise_for_status()
        client.post("/undeploy/qa").raise_for_status()
        print(count(app.routes) - before)


if __name__ == "__main__":
    main()
