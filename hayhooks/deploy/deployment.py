"""The record of a pipeline that is ready to serve, and how it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hayhooks.deploy.closing import Closer
from hayhooks.deploy.loader import LoadedModule
from hayhooks.deploy.revisions import Revision
from hayhooks.deploy.sources import Labels
from hayhooks.pipelines.methods import RunMethod
from hayhooks.pipelines.run_count import RunCount
from hayhooks.pipelines.schema import RunSchema
from hayhooks.temporary import TemporaryFolder
from hayhooks.wrapper import BasePipelineWrapper

TYPES = ("agent", "pipeline", "unknown")
_HAYSTACK_TYPES = {"Agent": "agent", "Pipeline": "pipeline", "AsyncPipeline": "pipeline"}


@dataclass(frozen=True, eq=False)
class Deployment:
    """A pipeline that is ready to serve. Immutable: a redeploy makes a new one."""

    name: str
    wrapper: BasePipelineWrapper
    methods: Mapping[str, RunMethod]
    schema: RunSchema | None
    """The models of `run_api`; None when the wrapper has no such method."""
    closer: Closer
    labels: Labels = Labels()
    revision: Revision | None = None
    private_folder: TemporaryFolder | None = None
    """Where the files of an unsaved pipeline stand until it ends."""
    module: LoadedModule | None = None
    runs: RunCount = field(default_factory=RunCount)
    created: float = field(default_factory=time.time)
    """When it was made, in seconds since the epoch."""

    @property
    def number(self) -> int | None:
        """The number of its revision; None where it is not saved."""
        return None if self.revision is None else self.revision.number

    @property
    def description(self) -> str:
        """What was said of it at deploy, else the first paragraph of the docstring of `run_api`."""
        return self.labels.description or (self.schema.description if self.schema else "")

    @property
    def skips_mcp(self) -> bool:
        """Whether it is kept from the tools that are offered over MCP."""
        return self.wrapper.skip_mcp if self.labels.skip_mcp is None else self.labels.skip_mcp

    @property
    def type(self) -> str:
        """One of `TYPES`: the wrapper's hint, else what kind of object its `pipeline` is."""
        if self.wrapper.deployment_type is not None:
            return self.wrapper.deployment_type
        for cls in type(self.wrapper.pipeline).__mro__:
            if cls.__module__.startswith("haystack."):
                return _HAYSTACK_TYPES.get(cls.__name__, "unknown")
        return "unknown"

    def abandon(self) -> None:
        """End a deployment that was never published: close it and give back what its modules hid."""
        self.closer.close(self.name, self.wrapper)
        if self.module is not None:
            self.module.abandon()
        self._remove_files()

    def retire(self, then: Callable[[], None]) -> None:
        """After the last run that is under way: tear it down, forget its modules, call `then`, all in a thread."""

        def end_in_thread() -> None:
            threading.Thread(target=self._end, args=(then,), name="hayhooks-retire", daemon=True).start()

        if self.runs.retire(end_in_thread):
            end_in_thread()

    def _end(self, then: Callable[[], None]) -> None:
        self.closer.close(self.name, self.wrapper)
        if self.module is not None:
            self.module.unload()
        self._remove_files()
        then()

    def _remove_files(self) -> None:
        if self.private_folder is not None:
            self.private_folder.remove()
