"""The application: `Hayhooks`, and the function that makes the one of a server."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import weakref
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cached_property
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from hayhooks.deploy.deployment import Deployment
from hayhooks.deploy.revisions import Note
from hayhooks.deploy.sources import Source, make_source
from hayhooks.deploy.store import Store
from hayhooks.deploy.writable import WriteCheck
from hayhooks.errors import HayhooksError
from hayhooks.failures import answer_error, answer_of
from hayhooks.http.access import Access, Authorize
from hayhooks.http.gate import Gate, put_doors
from hayhooks.http.middleware import RequestIdMiddleware, with_cors
from hayhooks.http.rates import Rates
from hayhooks.http.router import PipelineRouter, is_answered
from hayhooks.http.shortcut import Shortcut
from hayhooks.lifecycle import LifecycleMiddleware
from hayhooks.loading import Loading
from hayhooks.openai.file_store import FileStore
from hayhooks.openai.response_store import ResponseStore
from hayhooks.pipelines.haystack import HaystackImport
from hayhooks.pipelines.runner import Runner
from hayhooks.pipelines.threads import WorkerThreads
from hayhooks.publishing.follower import Follower
from hayhooks.publishing.publisher import Publisher
from hayhooks.routes import pipeline_routes, system_routes
from hayhooks.security.key_ring import KeyRing
from hayhooks.settings import Settings
from hayhooks.telemetry.telemetry import Telemetry
from hayhooks.temporary import TemporaryFolder, remove_leftovers
from hayhooks.wrapper import BasePipelineWrapper

if TYPE_CHECKING:
    from hayhooks.openapi.document import ApiDocument
    from hayhooks.publishing.watcher import Watcher

# For deploys and the like, which must not wait for pipelines that hold all threads of runs.
_OWN_THREADS = 32
# For pipelines that are being loaded when the server stops; what they start is left to itself then.
_PATIENCE_AT_END = 5


class Hayhooks(Starlette):
    """Serves Haystack pipelines; runs by itself or mounted in another Starlette application.

    `pipelines_dir` holds what is deployed at start-up and keeps what is saved; without it
    nothing is saved, and only uploads and unsaved files stand in the temporary directory.
    `admin=False` leaves out the routes that deploy and undeploy. `authorize`, plain or async, tells
    who sends a request: it gets a Starlette `HTTPConnection` and returns a `Caller`, or None for 401;
    keys are not looked at then. Everything lives on the instance, so that one process may hold several.

    >>> from hayhooks import BasePipelineWrapper
    >>> class Echo(BasePipelineWrapper):
    ...     def setup(self) -> None: ...
    ...     def run_api(self, text: str) -> str:
    ...         return text
    >>> hooks = Hayhooks()
    >>> hooks.deploy("echo", Echo()).name
    'echo'
    """

    def __init__(
        self,
        pipelines_dir: str | PathLike[str] | None = None,
        *,
        settings: Settings | None = None,
        admin: bool = True,
        authorize: Authorize | None = None,
        routes: Sequence[BaseRoute] = (),
        middleware: Sequence[Middleware] = (),
    ) -> None:
        self.settings = settings or Settings()
        self.threads = WorkerThreads(_OWN_THREADS, name="hayhooks-own")
        self.runner = Runner(
            self.settings.run_threads,
            show_tracebacks=self.settings.show_tracebacks,
            streaming_components=self.settings.streaming_components,
        )
        self.pipelines = PipelineRouter(
            lambda deployment: pipeline_routes(self, deployment), aliases=self.settings.model_aliases
        )
        self.responses = ResponseStore(
            limit=self.settings.responses_kept,
            size=self.settings.responses_size,
            lifetime=self.settings.responses_lifetime,
        )
        self.rates = Rates(self.settings)
        self.store = self._make_store(pipelines_dir)
        self.write_check = WriteCheck(self.store.directory) if self.store is not None and admin else None
        self.files = self._make_file_store()
        keys = KeyRing(self.settings, pipelines_dir)
        self.access = Access(self.settings, keys=keys, authorize=authorize, threads=self.threads)
        self._publisher = Publisher(self.pipelines, self.store, self.settings, is_taken=self.is_taken)
        self._companions: list[Follower | Watcher | HaystackImport] = []
        self._start_lock = threading.Lock()
        self._is_started = self._answers_while_loading = False
        self.loading = Loading(self._find_settled, patience=self.settings.startup_wait)
        self.telemetry = Telemetry(self.settings, runner=self.runner, deployments=lambda: self.deployments)
        _extend_path(self.settings.additional_python_path)
        own_routes = put_doors(system_routes(self, admin=admin), self.access)
        super().__init__(
            routes=[self.pipelines, *own_routes, *routes],
            middleware=[
                *middleware,
                Middleware(Gate, access=self.access, answer=answer_of),
                Middleware(Shortcut, pipelines=self.pipelines, routes=own_routes, answer=answer_error),
            ],
            exception_handlers={HTTPException: answer_error, HayhooksError: answer_error, Exception: answer_error},
            lifespan=self.lifespan,
        )

    @property
    def failures(self) -> Mapping[str, str]:
        """Why a pipeline of the pipelines directory is not served as it stands there, by name."""
        return self._publisher.failures

    @property
    def deployments(self) -> Mapping[str, Deployment]:
        """The current deployments by name. Never changes: look again after a deploy."""
        return self.pipelines.deployments

    def deploy(
        self,
        name: str,
        source: BasePipelineWrapper | str | PathLike[str] | Mapping[str, str | bytes] | Source,
        *,
        overwrite: bool = False,
        save: bool = False,
        if_revision: int | None = None,
        message: str | None = None,
        author: str | None = None,
    ) -> Deployment:
        """Load, set up and publish a pipeline; blocking, from any thread.

        `source` is a wrapper, the path of a directory or YAML file, the files of a wrapper by
        relative path, or YAML text. With `save` it is kept in `pipelines_dir`. Until the new one
        is published the old one serves; a failure changes nothing. `if_revision` is the number of
        the saved revision that the new one is to replace, 0 for none; `message` and `author` are
        kept with the revision.

        Raises `PipelineExists` without `overwrite`, `RevisionConflict` when another revision is
        served than `if_revision`, `NotShared` when it is not saved although others serve the directory,
        `PipelineBusy` when another deploy of the name does not end, `PipelinePathError` for a name or path
        that is refused, `PipelineModuleLoadError`, `PipelineWrapperError`, `PipelineYamlError` or
        `DeployTimedOut` for what cannot be served, and `PipelineFilesError` when it cannot be saved.
        """
        with self.telemetry.changing("deploy", name) as change:
            deployment = self._publisher.deploy(
                name,
                make_source(source),
                overwrite=overwrite,
                save=save,
                if_revision=if_revision,
                note=Note(author, message),
            )
            change.revision = deployment.number
        return deployment

    def rollback(self, name: str, revision: int | None = None, *, if_revision: int | None = None) -> Deployment:
        """Publish a saved revision of a pipeline again: the one that was served before, or that of a number.

        Blocking, and with `if_revision`, as `deploy()`. Raises `PipelineNotFound`, `RevisionNotFound`,
        and what `deploy()` raises for a revision that cannot be loaded any more.
        """
        with self.telemetry.changing("rollback", name) as change:
            deployment = self._publisher.rollback(name, revision, if_revision=if_revision)
            change.revision = deployment.number
        return deployment

    def undeploy(self, name: str, *, if_revision: int | None = None) -> None:
        """Take a pipeline out of service; requests that run finish.

        What the user wrote stays, and so do the saved revisions; a start does not deploy it again.
        With `if_revision` only when that saved revision is served. Raises `PipelineNotFound`,
        `RevisionConflict`, and `PipelineFilesError` when it cannot be noted; then it is served on.
        """
        with self.telemetry.changing("undeploy", name):
            self._publisher.undeploy(name, if_revision=if_revision)

    def wait_for_workers(self, name: str | None = None) -> dict[str, str]:
        """Wait until all processes that share the pipelines directory serve what it says now; blocking.

        Returns what is wrong by process, as "web-1:4711", empty when all is well: those that did
        not answer within `workers_timeout`, and those that cannot serve a pipeline, the one of
        `name` if that is given.
        """
        if self.store is None:
            return {}
        try:
            return self.store.workers.wait(self.settings.workers_timeout, name)
        except OSError as exc:
            return {"others": f"It is not known what they serve: {exc}"}

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI 3.1 document of all routes and pipelines; blocking."""
        document: dict[str, Any] = json.loads(self.api_document.encode(self.settings.root_path))
        return document

    @cached_property
    def api_document(self) -> ApiDocument:
        """The document as bytes, and what is kept to make the next one."""
        from hayhooks.openapi.document import ApiDocument  # most servers are never asked for it

        return ApiDocument(self)

    @asynccontextmanager
    async def lifespan(self, app: Any = None) -> AsyncIterator[None]:
        """Start, and on leaving end all deployments. A host application may pass it on as its own."""
        if self._answers_while_loading:
            names = await self.threads.run(self.store.serving) if self.store is not None else ()
            self.loading.begin(names, self.startup())
        else:
            await self.startup()
        try:
            yield
        finally:
            self._publisher.leave_found()
            await self.loading.end(_PATIENCE_AT_END)
            await self.responses.close()
            # A thread of its own: deploys that hang may hold all others.
            await WorkerThreads(1, name="hayhooks-end").run(self._stop)
            self.threads.close()
            self.runner.close()
            self._is_started = False

    async def startup(self) -> None:
        """Deploy what the pipelines directory holds; only the first call does anything."""
        if not self._is_started:
            self._publisher.begin(asyncio.get_running_loop())
            await self.threads.run(self._start)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.settings.root_path and not scope.get("root_path"):
            scope = {**scope, "root_path": self.settings.root_path}
        if not self._is_started:
            if scope["type"] == "lifespan":
                # A server of ours answers at once; any other one is to listen when all is deployed.
                self._answers_while_loading = "hayhooks.drain" in scope
                self.telemetry.share_gauges(scope.get("hayhooks.loop_watch"))
            elif not self.loading.is_under_way and not self.loading.failure:
                # A mounted application gets no lifespan events: it starts with its first request.
                await self.startup()
        await super().__call__(scope, receive, send)

    def build_middleware_stack(self) -> ASGIApp:
        """Put the request id and CORS around everything, also around the answer to an unforeseen error."""
        stack = LifecycleMiddleware(super().build_middleware_stack(), loading=self.loading, runner=self.runner)
        return RequestIdMiddleware(
            with_cors(stack, self.settings), ended=self.telemetry.ended, send_timeout=self.settings.send_timeout
        )

    def _start(self) -> None:
        with self._start_lock:
            if self._is_started:
                return
            remove_leftovers()
            companions = self._companions
            if self.settings.watch and self.store is not None:
                from hayhooks.publishing.watcher import Watcher  # only development needs it

                companions.append(Watcher(self._publisher, self.store))
            if self.settings.shared and self._publisher.reconciler is not None:
                companions.insert(0, Follower(self._publisher.reconciler, start_seconds=self.settings.deploy_timeout))
            else:
                self._publisher.deploy_found()
            if self._answers_while_loading and not self.deployments:
                # In a process of our own only: a host application decides itself what it loads.
                companions.append(HaystackImport())
            for companion in companions:
                companion.start()
            self.pipelines.warn_of_lost_aliases(self.pipelines.aliases.values())
            self._is_started = True

    def _find_settled(self) -> set[str]:
        """Return the pipelines that can be asked although the start goes on: none while others have newer ones."""
        is_behind = any(isinstance(companion, Follower) and companion.is_behind() for companion in self._companions)
        return set() if is_behind else {*self.deployments, *self.failures}

    def _stop(self) -> None:
        while self._companions:
            self._companions.pop().stop()
        self._publisher.end_all()

    def _make_store(self, directory: str | PathLike[str] | None) -> Store | None:
        if directory is None:
            return None
        return Store(
            Path(fspath(directory)),
            ignore=tuple(self.settings.files_to_ignore_patterns),
            revisions_kept=self.settings.revisions_kept,
        )

    def _make_file_store(self) -> FileStore:
        """Keep uploads beside the revisions, or in a directory that ends with this object."""
        if self.store is not None:
            return FileStore(self.store.directory / ".hayhooks" / "files")
        folder = TemporaryFolder("files")
        return FileStore(folder.path, make=folder.make)

    def is_taken(self, path: str, method: str = "POST") -> bool:
        """Tell whether a route other than a pipeline's answers a method at a path."""
        return is_answered((route for route in self.routes if route is not self.pipelines), path, method)


def create_app(settings: Settings | None = None) -> Hayhooks:
    """Return the server that `hayhooks run` runs, with the settings of the environment.

    Raises `SettingsError`, and `PipelineFilesError` when the pipelines directory is none.
    """
    loaded = settings or Settings.load()
    app = Hayhooks(loaded.pipelines_dir, settings=loaded)
    _latest_app.append(weakref.ref(app))
    return app


def latest_app() -> Hayhooks | None:
    """Return the application that `create_app()` made last, for functions of upstream that take none."""
    return _latest_app[-1]() if _latest_app else None


# Upstream keeps its pipelines in the process; code written for that finds the last application here.
_latest_app: deque[weakref.ref[Hayhooks]] = deque(maxlen=1)


def _extend_path(directory: str) -> None:
    """Let wrappers import shared code; appended, so that it hides nothing."""
    if directory and directory not in sys.path:
        sys.path.append(directory)
