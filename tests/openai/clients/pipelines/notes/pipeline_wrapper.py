"""Takes uploads and answers with what is in the files that a request names."""

from __future__ import annotations

import time
from typing import Any

from hayhooks import BasePipelineWrapper, get_input_files, get_last_user_input_text


class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None:
        self.texts: dict[str, str] = {}

    def run_file_upload(self, filename: str, content_type: str, content: bytes, purpose: str) -> dict[str, Any]:
        file_id = f"file-notes-{len(self.texts)}"
        self.texts[file_id] = content.decode()
        return {
            "id": file_id,
            "bytes": len(content),
            "created_at": int(time.time()),
            "filename": filename,
            "purpose": purpose,
        }

    def run_response(self, model: str, input_items: list[dict[str, Any]], body: dict[str, Any]) -> str:
        texts = [self.texts[part["file_id"]] for part in get_input_files(input_items)]
        return f"{get_last_user_input_text(input_items)} {' '.join(texts)}"
