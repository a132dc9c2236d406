"""A second pipeline that takes uploads, so that one which names no pipeline stays with the server."""

from __future__ import annotations

from typing import Any

from hayhooks import BasePipelineWrapper


class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None: ...

    def run_api(self) -> str:
        return "closed"

    def run_file_upload(self, filename: str, content_type: str, content: bytes, purpose: str) -> dict[str, Any]:
        return {"id": f"file-archive-{filename}", "bytes": len(content), "created_at": 1, "purpose": purpose}
