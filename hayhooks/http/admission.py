"""What happens once it is known which deployment a request is for."""

from __future__ import annotations

from starlette.types import Scope

from hayhooks.deploy.deployment import Deployment
from hayhooks.http.callers import caller_of, require_pipeline
from hayhooks.http.exchange import Exchange
from hayhooks.security.scopes import Need


def admit(scope: Scope, deployment: Deployment, *, need: Need = Need.RUN) -> bool:
    """Let a deployment answer a request: it will not end before that. Raises `PermissionDenied`.

    Returns False where it is not served any more: look for the one in its place.
    """
    caller = caller_of(scope)
    if caller is not None:
        require_pipeline(caller, deployment.name, need=need)
    exchange: Exchange | None = scope.get("hayhooks.exchange")
    return exchange is None or exchange.answer_by(deployment)
