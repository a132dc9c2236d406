"""`/v1/files`: upload, list, retrieve, content, delete (contract 5.5)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_json
from starlette.datastructures import Headers, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hayhooks.deploy.deployment import Deployment
from hayhooks.errors import InvalidRequest, MethodNotImplemented, ModelNotFound, PipelineFilesError, PipelineRunError
from hayhooks.http.admission import admit
from hayhooks.http.answers import JSONAnswer
from hayhooks.http.callers import caller_name, caller_of
from hayhooks.http.forms import read_form
from hayhooks.http.guard import Guard
from hayhooks.http.router import PipelineRouter
from hayhooks.logger import log
from hayhooks.openai.file_store import FileObject, FileStore
from hayhooks.openai.pages import page
from hayhooks.openai.routes import both
from hayhooks.pipelines.runner import Runner, RunStream
from hayhooks.pipelines.threads import WorkerThreads
from hayhooks.security.scopes import Caller

_MOST_LISTED = 10_000


class FilesEndpoint:
    """Takes uploads to the pipeline that wants them, or keeps them."""

    def __init__(
        self, runner: Runner, pipelines: PipelineRouter, files: FileStore, *, threads: WorkerThreads, largest: int
    ) -> None:
        self.runner = runner
        self.guard = Guard(runner)
        # Not those of runs: pipelines that hold all of them must not stop this.
        self.threads = threads
        self.pipelines = pipelines
        self.files = files
        self.largest = largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._upload(Request(scope, receive))
        await response(scope, receive, send)

    async def _upload(self, request: Request) -> Response:
        async with read_form(request.scope, request.receive, largest=self.largest) as form:
            file, purpose = form.get("file"), form.get("purpose")
            if not isinstance(file, UploadFile) or not isinstance(purpose, str):
                raise _missing(file, purpose)
            model = request.query_params.get("model") or form.get("model")
            deployment = self._find(model if isinstance(model, str) else None, request.scope)
            owner = caller_name(request.scope)
            facts = {
                "filename": file.filename or "upload",
                "content_type": file.content_type or "application/octet-stream",
                "purpose": purpose,
            }
            try:
                if deployment is None:
                    kept = await self.threads.run(partial(self.files.add, file.file, owner=owner, **facts))
                else:
                    kept = await self._hand_over(deployment, content=await file.read(), facts=facts)
                    await self._note(kept.model_copy(update={"owner_name": owner}))
            except OSError as exc:
                raise PipelineFilesError(f"The file cannot be kept: {exc.strerror}") from exc
            return JSONAnswer(kept)

    def _find(self, model: str | None, scope: Scope) -> Deployment | None:
        """Return the pipeline that takes a file, and let the request in; None where none does."""
        caller = caller_of(scope)
        while (deployment := self._target(model, caller)) is not None:
            if admit(scope, deployment):
                break
        return deployment

    async def _note(self, taken: FileObject) -> None:
        """Note a file that a pipeline has taken. It is safe there: without a note it is only not listed here."""
        try:
            await self.threads.run(partial(self.files.keep, taken))
        except OSError as exc:
            log.warning("The file {} that a pipeline took cannot be listed: {}", taken.id, exc.strerror)

    def _target(self, model: str | None, caller: Caller | None) -> Deployment | None:
        """Return the pipeline that is named, else the only one that takes the caller's uploads; None to keep them."""
        deployments = self.pipelines.deployments
        if model:
            named = self.pipelines.find(model)
            if named is None:
                raise ModelNotFound(model)
            if "run_file_upload" not in named.methods:
                raise MethodNotImplemented("Files endpoint not implemented for this model")
            return named
        takers = [
            deployment
            for deployment in deployments.values()
            if "run_file_upload" in deployment.methods and (caller is None or caller.may_run(deployment.name))
        ]
        return takers[0] if len(takers) == 1 else None

    async def _hand_over(self, deployment: Deployment, *, content: bytes, facts: Mapping[str, str]) -> FileObject:
        method = deployment.methods["run_file_upload"]
        # By position, as upstream calls it: wrappers name the parameters as they like.
        called = partial(method.func, facts["filename"], facts["content_type"], content, facts["purpose"])
        result = await self.runner.run(deployment.runs, replace(method, func=called), {})
        if isinstance(result, RunStream):
            await result.aclose()
        with self.guard:
            found = result.model_dump() if hasattr(result, "model_dump") else result
            if not isinstance(found, Mapping):
                raise PipelineRunError("run_file_upload returned an unsupported type")
            members = _plain_members(found)
        try:
            return FileObject.model_validate(members)
        except ValidationError as exc:
            keys = ", ".join(str(error["loc"][0]) for error in exc.errors())
            raise PipelineRunError(f"File upload failed: the result of run_file_upload has no usable {keys}") from None


def file_routes(endpoint: FilesEndpoint, *, upload: ASGIApp) -> list[Route]:
    """Return the routes of the Files API, below `/v1` and without it; `upload` answers those that upload."""
    files, threads = endpoint.files, endpoint.threads

    async def list_files(request: Request) -> Response:
        purpose = request.query_params.get("purpose")
        found = await threads.run(files.list, owner=caller_name(request.scope))
        data = [file.model_dump() for file in found if purpose in (None, file.purpose)]
        return JSONAnswer(page(data, request.query_params, most=_MOST_LISTED, usual=_MOST_LISTED))

    async def find(request: Request) -> FileObject:
        owner = caller_name(request.scope)
        file: FileObject = await threads.run(partial(files.get, request.path_params["file_id"], owner=owner))
        return file

    async def retrieve(request: Request) -> Response:
        return JSONAnswer(await find(request))

    async def content(request: Request) -> Response:
        file = await find(request)
        path = await threads.run(partial(files.content_path, file.id))
        return _Download(path, filename=file.filename, media_type="application/octet-stream")

    async def delete(request: Request) -> Response:
        file_id = request.path_params["file_id"]
        await threads.run(partial(files.remove, file_id, owner=caller_name(request.scope)))
        return JSONAnswer({"id": file_id, "object": "file", "deleted": True})

    return [
        *both("/files", upload, methods=["POST"], name="openai_files_create"),
        *both("/files", list_files, methods=["GET"], name="openai_files_list"),
        # The id of a file that a pipeline took is the pipeline's, and may have slashes.
        *both("/files/{file_id:path}/content", content, methods=["GET"], name="openai_files_content"),
        *both("/files/{file_id:path}", retrieve, methods=["GET"], name="openai_files_retrieve"),
        *both("/files/{file_id:path}", delete, methods=["DELETE"], name="openai_files_delete"),
    ]


class _Download(FileResponse):
    """The content of a file. Starlette refuses a range in plain text, which clients cannot read."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_content(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] >= 400:
                told = Headers(raw=message["headers"]).get("content-range")
                text = "The header 'Range' asks for no bytes that the file has"
                raise HTTPException(message["status"], text, {"content-range": told} if told else None)
            await send(message)

        await super().__call__(scope, receive, send_content)


def _plain_members(found: Mapping[Any, Any]) -> dict[str, Any]:
    """Return what a pipeline says of a file without what JSON cannot hold: it has the file already."""
    members = {}
    for key, value in found.items():
        try:
            members[key.encode().decode()] = json.loads(to_json(value, inf_nan_mode="null"))
        except Exception as exc:
            log.warning("run_file_upload gave a {!r} that cannot be written as JSON: {}", key, type(exc).__name__)
    return members


def _missing(file: Any, purpose: Any) -> InvalidRequest:
    is_right = {"file": isinstance(file, UploadFile), "purpose": isinstance(purpose, str)}
    wrong = [name for name in is_right if not is_right[name]]
    return InvalidRequest(
        [{"type": "missing", "loc": ["body", name], "msg": "Field required", "input": None} for name in wrong]
    )
