"""What happens once it is known which deployment a request is for."""

from __future__ import annotations

from starlette.types import Scope

from hayhooks.deploy.deployment import Deployment
from hayhooks.request import CurrentRequest


def admit(scope: Scope, deployment: Deployment) -> None:
    """Note which deployment answers a request."""
    request: CurrentRequest | None = scope.get("hayhooks.request")
    if request is not None:
        request.pipeline = deployment.name
        request.revision = None if deployment.revision is None else deployment.revision.number
