from typing import Any

from hayhooks import BasePipelineWrapper, UploadFile


class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None:
        self.pipeline = None

    def run_api(
        self, files: list[UploadFile] | None = None, text: str = "", n: int = 0, data: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        sizes = {str(file.filename): len(file.file.read()) for file in files or []}
        return {"files": sizes, "text": text, "n": n, "data": data}
