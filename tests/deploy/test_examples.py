"""The attribute `examples` of a wrapper."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from hayhooks import BasePipelineWrapper, Hayhooks, UploadFile
from hayhooks.errors import PipelineWrapperError


class Asks(BasePipelineWrapper):
    def __init__(self, examples: Any) -> None:
        self.examples = examples

    def setup(self) -> None: ...

    def run_api(self, question: str, day: date | None = None) -> str:
        return question


class Reads(Asks):
    def run_api(self, upload: UploadFile, pages: int = 1) -> str:  # type: ignore[override]  # another one
        return upload.filename or ""


class ReadsAll(Asks):
    def run_api(self, **values: int) -> str:  # type: ignore[override]  # another one
        return ""


class Chats(BasePipelineWrapper):
    examples = ({"question": "Who?"},)

    def setup(self) -> None: ...

    def run_chat_completion(self, model: str, messages: list[dict[str, Any]], body: dict[str, Any]) -> str:
        return ""


@pytest.mark.parametrize(
    "wrapper",
    [
        pytest.param(Asks(()), id="none"),
        pytest.param(Asks([{"question": "Who?"}, {"question": "When?", "day": "2026-01-02"}]), id="two"),
        pytest.param(Asks([{"question": "When?", "day": date(2026, 1, 2)}]), id="date"),
        pytest.param(Reads([{"pages": 2}]), id="without-the-upload"),
        pytest.param(ReadsAll([{"anything": 2}]), id="any-keys"),
    ],
)
def test_examples_that_fit_are_kept(app: Hayhooks, wrapper: Asks) -> None:
    assert app.deploy("p", wrapper).wrapper.examples is wrapper.examples


@pytest.mark.parametrize(
    ("wrapper", "text"),
    [
        pytest.param(Asks([{"question": 5}]), "'examples[0]' does not fit: 'question': Input should be", id="type"),
        pytest.param(
            Asks([{"question": "a"}, {}]), "'examples[1]' does not fit: 'question': Field required", id="missing"
        ),
        pytest.param(
            Asks([{"question": "a", "qestion": "b"}]),
            "'examples[0]' does not fit: 'qestion' is no parameter of the pipeline",
            id="unknown",
        ),
        pytest.param(Reads([{"pages": "many"}]), "'examples[0]' does not fit: 'pages': Input should", id="with-upload"),
        pytest.param(Asks(["Who?"]), "'examples[0]' must be a mapping of parameters to values", id="text"),
        pytest.param(Asks({"question": "a"}), "'examples' must be a list of request bodies, not a dict", id="mapping"),
        pytest.param(Chats(), "'examples' are bodies for run_api, which the wrapper does not have", id="no-run-api"),
    ],
)
def test_examples_that_do_not_fit_are_refused(app: Hayhooks, wrapper: BasePipelineWrapper, text: str) -> None:
    with pytest.raises(PipelineWrapperError) as caught:
        app.deploy("p", wrapper)

    assert str(caught.value).startswith(text)
    assert dict(app.deployments) == {}
