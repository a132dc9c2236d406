"""Short ways to deploy the one-off wrappers of these tests."""

from __future__ import annotations

from collections.abc import Mapping

from hayhooks import Hayhooks
from tests.conftest import wrapper_source


def deploy(app: Hayhooks, methods: str, *, name: str = "p", files: Mapping[str, str] | None = None) -> None:
    """Deploy a wrapper with the given methods, in place of any of that name."""
    app.deploy(name, {"pipeline_wrapper.py": wrapper_source(methods), **(files or {})}, overwrite=True)


ECHO = "def run_api(self, text: str, times: int = 1) -> str: return text * times"
CHAT = "def run_chat_completion(self, model, messages, body): return 'hello'"
