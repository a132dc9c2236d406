"""OpenAI's own client against a server with keys."""

from __future__ import annotations

import openai
import pytest

from hayhooks import Hayhooks, Settings
from tests.security.conftest import API_KEYS, SECRETS, Whoami
from tests.servers import served


def test_openai_client_sends_its_key_and_understands_refusals() -> None:
    app = Hayhooks(settings=Settings(api_keys=API_KEYS))
    for name in ("rag-papers", "other"):
        app.deploy(name, Whoami())
    with served(app) as url:

        def client(key: str) -> openai.OpenAI:
            return openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)

        with client(SECRETS["rag"]) as right, client("wrong") as wrong:
            chat = right.chat.completions.create(model="rag-papers", messages=[{"role": "user", "content": "?"}])
            listed = [model.id for model in right.models.list()]
            with pytest.raises(openai.PermissionDeniedError) as denied:
                right.embeddings.create(model="other", input="a")
            with pytest.raises(openai.AuthenticationError) as unknown:
                wrong.models.list()
            for _ in range(9):
                with pytest.raises(openai.AuthenticationError):
                    wrong.models.list()
            with pytest.raises(openai.RateLimitError):
                wrong.models.list()

    assert (chat.choices[0].message.content, listed) == ("rag", ["rag-papers"])
    assert (denied.value.code, unknown.value.code) == ("permission_denied", "invalid_api_key")
