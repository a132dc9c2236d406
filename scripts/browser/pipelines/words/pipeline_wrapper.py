from collections.abc import Iterator

from hayhooks import BasePipelineWrapper


class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None: ...

    def run_api(self, text: str) -> Iterator[str]:
        """Send the words of a text back, one at a time.

        Args:
            text: Some words.
        """
        for number, word in enumerate(text.split(), 1):
            yield f"{number}:{word} "
