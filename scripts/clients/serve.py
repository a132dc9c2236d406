"""Run a command while a server is up, with the pipelines of the tests; its URL is in HAYHOOKS_URL."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.openai.clients.process import hayhooks_process
from tests.openai_server import openai_server


def main(command: list[str]) -> int:
    with (
        tempfile.TemporaryDirectory() as directory,
        openai_server() as provider,
        hayhooks_process(Path(directory), provider_url=provider.url) as url,
    ):
        return subprocess.run(command, env={**os.environ, "HAYHOOKS_URL": url}).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
