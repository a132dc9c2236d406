"""What a process serves, and which of it stands in the store."""

from __future__ import annotations

from collections.abc import Mapping

from hayhooks.deploy.deployment import Deployment
from hayhooks.deploy.pointers import Version
from hayhooks.http.router import PipelineRouter
from hayhooks.retirement import Retirement


class Serving:
    """The table of deployments, with what is known of the saved ones. Whoever changes a name holds its lock."""

    def __init__(self, router: PipelineRouter, retirement: Retirement) -> None:
        self.router = router
        self.retirement = retirement
        self.saved: dict[str, Version] = {}
        """What is served from the store, by name."""
        self._failed: dict[str, tuple[Version, str]] = {}

    @property
    def failures(self) -> Mapping[str, str]:
        """Why a pipeline of the store is not served in the version that it should, by name."""
        return {name: text for name, (_, text) in list(self._failed.items())}

    def publish(self, deployment: Deployment, version: Version | None) -> None:
        """Serve a deployment; what was served under its name ends. `version` is what it was built from, if saved."""
        name = deployment.name
        previous = self.router.add(deployment, overwrite=True)
        if deployment.module is not None:
            deployment.module.keep()
        if version is None:
            self.saved.pop(name, None)
        else:
            self.saved[name] = version
            self._failed.pop(name, None)
        if previous is not None:
            self.retirement.add(previous)

    def remove(self, name: str) -> None:
        """Serve nothing under a name. Raises `PipelineNotFound`."""
        deployment = self.router.remove(name)
        self.saved.pop(name, None)
        self._failed.pop(name, None)
        self.retirement.add(deployment)

    def fail(self, name: str, version: Version, text: str) -> None:
        """Note why a version of the store cannot be served."""
        self._failed[name] = (version, text)

    def forget_failure(self, name: str) -> None:
        """Forget what failed under a name, if something did."""
        self._failed.pop(name, None)

    def is_settled(self, name: str, version: Version) -> bool:
        """Tell whether a version is served already, or is known to fail."""
        return self.saved.get(name) == version or self._failed.get(name, (None, ""))[0] == version
