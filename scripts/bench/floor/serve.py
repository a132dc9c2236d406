"""Start the floor: `python -m scripts.bench.floor.serve --port 8000 [--workers 2]`."""

from __future__ import annotations

import argparse
import os

import uvicorn

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args()
    logs_requests = os.environ.get("BENCH_ACCESS_LOG") != "false"
    uvicorn.run("scripts.bench.floor.app:app", port=given.port, workers=given.workers, access_log=logs_requests)
