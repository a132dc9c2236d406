"""Call every operation of a running server with many bodies, and fail on an answer that its document does not have.

The server is a process of its own with the pipelines of this folder; schemathesis makes the
requests. Arguments are passed on to `schemathesis run`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.openai.clients.process import hayhooks_process

HERE = Path(__file__).resolve().parent
OPTIONS = ["--max-examples", "25", "--seed", "1", "--request-timeout", "20", "--continue-on-failure"]


def main(arguments: list[str]) -> int:
    with (
        tempfile.TemporaryDirectory() as name,
        # No pipeline here calls a provider.
        hayhooks_process(Path(name), provider_url="http://127.0.0.1:9", pipelines=HERE / "pipelines") as url,
    ):
        program = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml")]
        options = ["--phases", "examples,coverage,fuzzing,stateful", "--warnings", "off", "--no-color", *OPTIONS]
        return subprocess.run([*program, "run", f"{url}/openapi.json", *options, *arguments], cwd=name).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
