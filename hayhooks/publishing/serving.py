"""What a process serves, and which of it stands in the store."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress

from hayhooks.deploy.deployment import Deployment
from hayhooks.deploy.pointers import Version
from hayhooks.errors import DeployTooLate, PipelineNotFound
from hayhooks.http.router import PipelineRouter
from hayhooks.publishing.retirement import Retirement


class Serving:
    """The table of deployments, with what is known of the saved ones. Whoever changes a name holds its lock."""

    def __init__(self, router: PipelineRouter, retirement: Retirement) -> None:
        self.router = router
        self.retirement = retirement
        self.saved: dict[str, Version] = {}
        """What is served from the store, by name."""
        self._failed: dict[str, tuple[Version, str]] = {}
        self._ending = threading.Lock()
        self.era = 0
        """Grows with each end of the application: what was begun before is not published after it."""

    @property
    def failures(self) -> Mapping[str, str]:
        """Why a pipeline of the store is not served in the version that it should, by name."""
        return {name: text for name, (_, text) in list(self._failed.items())}

    def publish(self, deployment: Deployment, version: Version | None, *, era: int) -> None:
        """Serve a deployment; what was served under its name ends.

        `version` is what is to be served, if it is saved, and `era` when the work on it began.
        Raises `DeployTooLate` when the application has ended since; then the deployment is ended.
        """
        name = deployment.name
        try:
            with self._ending:
                self.check(name, era)
                previous = self.router.add(deployment, overwrite=True)
        except DeployTooLate:
            deployment.abandon()
            raise
        if deployment.module is not None:
            deployment.module.keep()
        if version is None:
            self.saved.pop(name, None)
        else:
            self.saved[name] = version
            self._failed.pop(name, None)
            if deployment.revision is not None and deployment.revision.path != version.path:
                number = deployment.revision.number
                text = f"The revision {version.path.name} cannot be read: {number} is served in its place"
                self.fail(name, version, text)
        if previous is not None:
            self.retirement.add(previous)

    def check(self, name: str, era: int) -> None:
        """Raise `DeployTooLate` when the application has ended since."""
        if era != self.era:
            raise DeployTooLate(name)

    def end(self) -> None:
        """Serve nothing any more, nor what is still being built."""
        with self._ending:
            self.era += 1
        for name in list(self.router.deployments):
            # Somebody may undeploy it just now.
            with suppress(PipelineNotFound):
                self.remove(name)

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
