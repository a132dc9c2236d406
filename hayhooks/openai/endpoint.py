"""What the endpoints that run a model have in common: finding it and running it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hayhooks.deploy.deployment import Deployment
from hayhooks.errors import MethodNotImplemented, ModelNotFound
from hayhooks.http.admission import admit
from hayhooks.http.exchange import Exchange
from hayhooks.http.guard import Guard
from hayhooks.http.router import PipelineRouter
from hayhooks.openai.deltas import is_chat_message
from hayhooks.openai.whole import is_whole
from hayhooks.pipelines.methods import RunMethod
from hayhooks.pipelines.runner import Runner, RunStream
from hayhooks.pipelines.tokens import TokenMeter, token_meter

# To put the types together takes longer than to ask for them.
_ANSWERS = str | RunStream | Response


class ModelEndpoint(ABC):
    """Answers with the pipeline that `model` names, or always with one and the same."""

    method = ""
    """The run method that answers."""
    noun = ""
    """What the endpoint is called in errors."""

    def __init__(self, runner: Runner, pipelines: PipelineRouter, *, deployment: Deployment | None = None) -> None:
        self.runner = runner
        self.guard = Guard(runner)
        self.pipelines = pipelines
        self.deployment = deployment

    @abstractmethod
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

    def find(self, name: str, scope: Scope) -> Deployment:
        """Return the deployment for a model, and let the request in. Raises `ModelNotFound`."""
        while (deployment := self.deployment or self.pipelines.find(name)) is not None:
            if admit(scope, deployment):
                return deployment
        raise ModelNotFound(name)

    def require(self, deployment: Deployment) -> RunMethod:
        """Return the method of a deployment that answers. Raises `MethodNotImplemented`."""
        method = deployment.methods.get(self.method)
        if method is None:
            raise MethodNotImplemented(f"{self.noun} endpoint not implemented for this model")
        return method

    def measure(self, meter: TokenMeter, scope: Scope) -> None:
        """Have the tokens of this request counted, for its answer and for the metrics."""
        token_meter.set(meter)
        exchange: Exchange = scope["hayhooks.exchange"]
        exchange.meter = meter

    async def run(self, deployment: Deployment, arguments: Mapping[str, Any], scope: Scope) -> Any:
        """Run the method with the arguments. Raises `MethodNotImplemented` and as `Runner.run()`."""
        method = self.require(deployment)
        if method.takes_headers:
            arguments = {**arguments, "headers": Headers(scope=scope)}
        return await self.runner.run(deployment.runs, method, arguments)

    def is_answer(self, result: Any, member: str) -> bool:
        """Tell whether a text, with all that belongs to it, can be made of a result; `member` as in `is_whole()`."""
        with self.guard:
            return isinstance(result, _ANSWERS) or is_chat_message(result) or is_whole(result, member)
