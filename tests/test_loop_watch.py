"""The warning about what holds the event loop."""

from __future__ import annotations

import re
from pathlib import Path

from tests.conftest import WritePipeline
from tests.processes import serving

HOLDS = "async def run_api_async(self) -> str:\n    time.sleep(0.6)\n    return 'done'"


def test_what_holds_the_loop_is_named_once_per_time(tmp_path: Path, write_pipeline: WritePipeline) -> None:
    write_pipeline("my-qa", HOLDS)
    with serving(tmp_path, HAYHOOKS_LOOP_LAG_WARNING="0.05") as server:
        for _ in range(2):
            assert server.post("/my-qa/run", {}) == (200, {"result": "done"})
    warnings = [line for line in server.lines if "holds the event loop" in line and "my-qa" in line]

    place = r"pipeline_wrapper\.py:\d+ in run_api_async"
    assert len(warnings) == 2
    for warning in warnings:
        assert re.search(rf"WARNING  \| Pipeline 'my-qa' holds the event loop for 0\.\d s: at {place} ", warning)
        assert re.search(rf"stack='{place} < calls\.py:\d+ in call < runner\.py:", warning)


def test_zero_turns_the_warning_off(tmp_path: Path, write_pipeline: WritePipeline) -> None:
    write_pipeline("p", HOLDS)
    with serving(tmp_path, HAYHOOKS_LOOP_LAG_WARNING="0") as server:
        assert server.post("/p/run", {}) == (200, {"result": "done"})

    assert not server.has_logged("holds the event loop")
