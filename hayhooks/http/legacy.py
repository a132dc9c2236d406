"""Routes of earlier versions that clients still call (contract 2.9).

`POST /{pipeline}/chat` was the chat route before 1.12. `POST /{pipeline}` ran a pipeline that had
come by `POST /deploy`, with a body and an answer by component. `GET /`, which greeted in 0.0.x, is
left out: a host application that mounts the server has a page of its own there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from starlette.types import ASGIApp, Receive, Scope, Send

from hayhooks.deploy.deployment import Deployment
from hayhooks.http.answers import send_json
from hayhooks.http.bodies import parse_body, read_body
from hayhooks.http.router import PipelineRoute
from hayhooks.pipelines.runner import Runner
from hayhooks.pipelines.yaml import YAMLPipelineWrapper
from hayhooks.pipelines.yaml.components import ComponentForm

_POST = frozenset({"POST"})


def old_routes(
    deployment: Deployment, runner: Runner, *, chat: ASGIApp, limit: Callable[[ASGIApp], ASGIApp]
) -> Iterator[PipelineRoute]:
    """Yield the old routes of one deployment; `chat` answers its chats, `limit` goes around what else runs it."""
    yield PipelineRoute("chat", "chat", _POST, chat)
    wrapper = deployment.wrapper
    if isinstance(wrapper, YAMLPipelineWrapper) and wrapper.component_form is not None:
        endpoint = ComponentsEndpoint(deployment, wrapper.component_form, runner)
        yield PipelineRoute("run_components", "", _POST, limit(endpoint))


class ComponentsEndpoint:
    """Runs a pipeline with `{component: {input: value}}` and answers `{component: {output: value}}`."""

    def __init__(self, deployment: Deployment, form: ComponentForm, runner: Runner) -> None:
        self.deployment = deployment
        self.form = form
        self.runner = runner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        arguments = parse_body(await read_body(scope, receive), self.form.schema.parse_json)
        result = await self.runner.run(self.deployment.runs, self.form.method, arguments)
        await send_json(send, self.form.schema.dump_result(result))
