from hayhooks import BasePipelineWrapper, Response


class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None:
        self.pipeline = None

    def run_api(self) -> Response:
        return Response(b"\xff\x00\r\n", media_type="application/octet-stream")
