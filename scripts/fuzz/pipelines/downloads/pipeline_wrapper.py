"""Answers with a file, or with a text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hayhooks import BasePipelineWrapper, FileResponse


class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None: ...

    def run_api(self, as_file: bool) -> FileResponse | str:
        return FileResponse(Path(__file__), filename="wrapper.py") if as_file else "text"

    def run_file_upload(self, filename: str, content_type: str, content: bytes, purpose: str) -> dict[str, Any]:
        return {"id": f"file-{len(content)}", "bytes": len(content), "created_at": 0, "purpose": purpose}
