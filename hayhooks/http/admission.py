"""What happens once it is known which deployment a request is for."""

from __future__ import annotations

from starlette.types import Scope

from hayhooks.deploy.deployment import Deployment
from hayhooks.http.callers import caller_of, require_pipeline
from hayhooks.request import CurrentRequest
from hayhooks.security.scopes import Need


def admit(scope: Scope, deployment: Deployment, *, need: Need = Need.RUN) -> None:
    """Note which deployment answers a request. Raises `PermissionDenied` for a caller who may not have that."""
    request: CurrentRequest | None = scope.get("hayhooks.request")
    if request is not None:
        request.pipeline = deployment.name
        request.revision = None if deployment.revision is None else deployment.revision.number
    require_pipeline(caller_of(scope), deployment.name, need=need)
