"""`POST /{pipeline}/run`."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from hayhooks.deploy.deployment import Deployment
from hayhooks.http.answers import send_json
from hayhooks.http.bodies import invalid_request, parse_body, read_body
from hayhooks.http.forms import form_arguments, read_form
from hayhooks.http.guard import Guard
from hayhooks.http.streams import send_plain_events, send_response, send_text
from hayhooks.pipelines.runner import Runner, RunStream
from hayhooks.pipelines.schema import RunSchema
from hayhooks.security.locality import header

_FORMS = (b"multipart/form-data", b"application/x-www-form-urlencoded")


class RunEndpoint:
    """Runs `run_api` of one deployment with the values of the request body."""

    def __init__(self, deployment: Deployment, schema: RunSchema, runner: Runner) -> None:
        self.deployment = deployment
        self.schema = schema
        self.runner = runner
        self.guard = Guard(runner)
        self.method = deployment.methods["run_api"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.schema.takes_files and _is_form(scope):
            async with read_form(scope, receive, largest=scope["app"].settings.max_form_size) as form:
                try:
                    arguments = self.schema.parse_data(form_arguments(form, self.schema.form))
                except ValidationError as exc:
                    raise invalid_request(exc) from None
                await self._run(arguments, scope, receive, send)
        else:
            body = await read_body(scope, receive)
            if self.schema.takes_files and not body:
                # As an empty form, which a client sends without a content type.
                body = b"{}"
            arguments = parse_body(body, self.schema.parse_json)
            await self._run(arguments, scope, receive, send)

    async def _run(self, arguments: dict[str, Any], scope: Scope, receive: Receive, send: Send) -> None:
        if self.method.takes_headers:
            arguments["headers"] = Headers(scope=scope)
        result = await self.runner.run(self.deployment.runs, self.method, arguments)
        if isinstance(result, RunStream):
            send_stream = send_plain_events if result.is_sse else send_text
            await send_stream(result, guard=self.guard, scope=scope, receive=receive, send=send)
        elif isinstance(result, Response):
            await send_response(result, guard=self.guard, scope=scope, receive=receive, send=send)
        elif self.schema.promises_stream and isinstance(result, str):
            await PlainTextResponse(result)(scope, receive, send)
        else:
            with self.guard:
                answer = b'{"result":%b}' % self.schema.dump_result(result)
            await send_json(send, answer)


def _is_form(scope: Scope) -> bool:
    return (header(scope, b"content-type") or b"").lower().startswith(_FORMS)
