"""Takes files, and other values in the same form."""

from __future__ import annotations

from hayhooks import BasePipelineWrapper, UploadFile


class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None: ...

    def run_api(
        self,
        files: list[UploadFile] | None = None,
        picture: UploadFile | None = None,
        note: str = "",
        tags: list[str] | None = None,
        facts: dict[str, int] | None = None,
        count: int = 0,
    ) -> dict[str, int]:
        uploads = [*(files or ()), *([picture] if picture else ())]
        return {upload.filename or "": len(upload.file.read()) for upload in uploads}
