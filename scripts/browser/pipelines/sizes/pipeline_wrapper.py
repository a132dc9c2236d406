from hayhooks import BasePipelineWrapper, UploadFile


class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None: ...

    async def run_api_async(self, files: list[UploadFile], label: str = "bytes") -> dict[str, str]:
        """Tell how large files are.

        Args:
            files: The files.
            label: What is counted.
        """
        return {str(file.filename): f"{len(await file.read())} {label}" for file in files}
