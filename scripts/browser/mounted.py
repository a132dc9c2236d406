"""An application of somebody else's with Hayhooks below `/ai`; the arguments are a port and the pipelines."""

from __future__ import annotations

import sys

from starlette.applications import Starlette
from starlette.routing import Mount

from hayhooks import Hayhooks, run_app


def main(port: int, pipelines: str) -> None:
    hooks = Hayhooks(pipelines)
    run_app(Starlette(routes=[Mount("/ai", app=hooks)], lifespan=hooks.lifespan), host="127.0.0.1", port=port)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
