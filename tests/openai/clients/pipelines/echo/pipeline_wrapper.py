"""Answers with what the request held, as JSON; no model takes part."""

from __future__ import annotations

import json
from typing import Any

from hayhooks import BasePipelineWrapper, get_last_user_message


class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None: ...

    def run_chat_completion(self, model: str, messages: list[dict[str, Any]], body: dict[str, Any]) -> str:
        return json.dumps({"messages": messages, "text": get_last_user_message(messages), "body": body})

    def run_response(self, model: str, input_items: list[dict[str, Any]], body: dict[str, Any]) -> str:
        return json.dumps({"input_items": input_items, "body": body})
