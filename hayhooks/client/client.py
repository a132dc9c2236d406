"""A client of a Hayhooks server, for scripts and for the command line: the one place that knows the URLs."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlsplit

from hayhooks.client.answers import Answer, ClientError, ServerRefused, ServerUnreachable, refusal, reported
from hayhooks.client.environment import read_flag, read_variables, server_url
from hayhooks.client.multipart import Multipart, Progress, Upload
from hayhooks.errors import SettingsError

if TYPE_CHECKING:
    from requests import Response, Session

_CONNECT_TIMEOUT = 10.0


class Client:
    """A Hayhooks server, called over HTTP.

        with Client("http://localhost:1416") as client:
            client.deploy_files("qa", read_directory("pipelines/qa"), overwrite=True)
            print(client.run("qa", {"question": "Who wrote it?"}))

    `timeout` is the longest time without data, in seconds; without it only connecting is limited, to 10 s.
    `verify` is False to accept any certificate, or the path of a file with certificates to trust.
    The methods raise a `ClientError`. One client is for one thread at a time.
    """

    def __init__(
        self,
        base_url: str = "http://localhost:1416",
        *,
        api_key: str | None = None,
        timeout: float | None = None,
        verify: bool | str = True,
    ) -> None:
        if not _is_url(base_url):
            raise SettingsError(f"The URL of the server must be like http://localhost:1416, not {base_url!r}.")
        self.base_url = base_url.rstrip("/")
        self.api_key = api_key
        self.timeout = timeout
        self.verify = verify

    @classmethod
    def from_environment(
        cls,
        *,
        url: str | None = None,
        host: str | None = None,
        port: int | None = None,
        https: bool | None = None,
        insecure: bool | None = None,
        api_key: str | None = None,
        timeout: float | None = None,
        env_file: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Make a client from what is given, else from HAYHOOKS_* variables, else from the nearest `.env` file.

        The variables are URL (which wins over the next four), HOST, PORT, USE_HTTPS, ROOT_PATH, DISABLE_SSL
        and API_KEY. Raises `SettingsError` for a value that cannot be used.
        """
        variables = read_variables(env_file)
        if insecure is None:
            insecure = read_flag(variables, "HAYHOOKS_DISABLE_SSL")
        return cls(
            url or server_url(variables, host=host, port=port, https=https),
            api_key=api_key or variables.get("HAYHOOKS_API_KEY"),
            timeout=timeout,
            verify=not insecure,
        )

    def health(self) -> None:
        """Return if the server is alive, else raise."""
        try:
            self._send("GET", "/health").close()
        except ServerRefused as exc:
            # Upstream's server has no /health.
            if exc.status_code != 404:
                raise
            self.status()

    def status(self, name: str | None = None) -> dict[str, Any]:
        """Ask what is deployed: `{"status": "Up!", "pipelines": [names], ...}`.

        With a name: `{"status": "Up!", "pipeline": name}`, or `ServerRefused` with status 404.
        """
        return self._call("GET", f"/status/{_segment(name)}" if name is not None else "/status")

    def deploy_files(
        self,
        name: str,
        files: Mapping[str, str | bytes],
        *,
        overwrite: bool = False,
        save_files: bool = True,
        description: str | None = None,
        skip_mcp: bool | None = None,
        if_revision: int | None = None,
        message: str | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Deploy a wrapper: relative paths and contents, of which one is `pipeline_wrapper.py`.

        `hayhooks.files.read_directory` reads them from a directory. `if_revision` is the saved
        revision to replace, 0 for none; `message` is kept with the new one. `params` are what the wrapper finds as
        `self.params`.
        """
        body = {
            "name": name,
            "files": {path: _as_json(content) for path, content in files.items()},
            "overwrite": overwrite,
            "save_files": save_files,
        }
        others = _given(
            description=description, skip_mcp=skip_mcp, if_revision=if_revision, message=message, params=params
        )
        return self._call("POST", "/deploy_files", json=body | others)

    def deploy_yaml(
        self,
        name: str,
        source_code: str,
        *,
        overwrite: bool = False,
        save_file: bool = True,
        description: str | None = None,
        skip_mcp: bool | None = None,
        if_revision: int | None = None,
        message: str | None = None,
        derives_sockets: bool = False,
    ) -> dict[str, Any]:
        """Deploy a pipeline that is described in YAML; the rest as `deploy_files()`.

        With `derives_sockets`, one that declares no inputs and outputs gets them from the pipeline.
        """
        body = {"name": name, "source_code": source_code, "overwrite": overwrite, "save_file": save_file}
        others = _given(description=description, skip_mcp=skip_mcp, if_revision=if_revision, message=message)
        return self._call("POST", "/deploy" if derives_sockets else "/deploy-yaml", json=body | others)

    def check(
        self,
        name: str,
        source: Mapping[str, str | bytes] | str,
        *,
        overwrite: bool = True,
        params: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Let the server try a pipeline, from its files or its YAML, without deploying it, and return the report."""
        if isinstance(source, str):
            body: dict[str, Any] = {"source_code": source}
        else:
            body = {"files": {path: _as_json(content) for path, content in source.items()}}
        body |= {"name": name, "overwrite": overwrite, **_given(params=params)}
        return self._call("POST", "/deploy?dry_run=true", json=body)

    def undeploy(self, name: str, *, if_revision: int | None = None) -> dict[str, Any]:
        """Remove a pipeline from the server, with `if_revision` only while that saved revision is served."""
        query = {} if if_revision is None else {"params": {"if_revision": if_revision}}
        return self._call("POST", f"/undeploy/{_segment(name)}", **query)

    def pipelines(self, *, all: bool = False) -> list[dict[str, Any]]:
        """List what is deployed: for each `{"name", "revision", "capabilities", "endpoints", ...}`.

        With `all`, also what is undeployed and can be brought back: `{"name", "state": "Undeployed"}`.
        """
        path = "/pipelines?all=true" if all else "/pipelines"
        found: list[dict[str, Any]] = self._call("GET", path)["pipelines"]
        return found

    def pipeline(self, name: str) -> dict[str, Any]:
        """Describe one pipeline as `pipelines()` does, with its revisions."""
        return self._call("GET", f"/pipelines/{_segment(name)}")

    def revisions(self, name: str) -> list[dict[str, Any]]:
        """List the saved revisions of a pipeline, newest first: `{"revision": 3, "current": true, ...}`."""
        found: list[dict[str, Any]] = self._call("GET", f"/pipelines/{_segment(name)}/revisions")["revisions"]
        return found

    def revision(self, name: str, number: int) -> dict[str, Any]:
        """Return one saved revision, its files under `files`, as text or as `{"base64": ...}`."""
        return self._call("GET", f"/pipelines/{_segment(name)}/revisions/{number}")

    def rollback(self, name: str, revision: int | None = None, *, if_revision: int | None = None) -> dict[str, Any]:
        """Publish a saved revision again: the one that was served before, or that of a number.

        `if_revision` is the saved revision that it is to replace, 0 for none.
        """
        body = {"revision": revision, **_given(if_revision=if_revision)}
        return self._call("POST", f"/pipelines/{_segment(name)}/rollback", json=body)

    def draw(self, name: str, *, format: str = "png") -> bytes:
        """Return a drawing of a pipeline as the bytes of a file: "png", "svg", "mermaid", "dot" or "json"."""
        with Answer(self._send("GET", f"/draw/{_segment(name)}", params={"format": format})) as answer:
            return answer.read()

    def schema(self, name: str) -> dict[str, Any]:
        """Return the JSON Schemas of what a pipeline takes and gives: `{"name", "request", "response"}`.

        `ServerRefused` with status 404 if it has none, or if the server is an upstream one.
        """
        return self._call("GET", f"/{_segment(name)}/schema")

    def run(self, name: str, body: Mapping[str, Any] | None = None, *, files: Iterable[Upload] = ()) -> Any:
        """Run a pipeline and return its result.

        That is the value under `result`; without such a key the whole JSON; the text of a
        text answer or a stream; the bytes of any other. With `files`, pairs of a name and a
        path or bytes, the body is sent as form fields; values other than text as JSON, and
        None not at all: a form has no null.
        """
        with self.open_run(name, body, files=files) as answer:
            return answer.value()

    def stream(
        self, name: str, body: Mapping[str, Any] | None = None, *, files: Iterable[Upload] = ()
    ) -> Iterator[str]:
        """Run a pipeline and yield the text of its answer as it arrives; of server-sent events, the data."""
        with self.open_run(name, body, files=files) as answer:
            yield from answer.texts()

    def open_run(
        self,
        name: str,
        body: Mapping[str, Any] | None = None,
        *,
        files: Iterable[Upload] = (),
        progress: Progress | None = None,
    ) -> Answer:
        """Run a pipeline as `run` does, but return its answer when it begins. `progress` is told of the upload."""
        path = f"/{_segment(name)}/run"
        files = list(files)
        if not files:
            return Answer(self._send("POST", path, json=dict(body or {})))
        fields = {key: form_text(value) for key, value in (body or {}).items() if value is not None}
        form = Multipart(fields, files, progress=progress)
        return Answer(self._send("POST", path, data=form, headers={"Content-Type": form.content_type}))

    def close(self) -> None:
        """Close the connections that are kept open between calls."""
        if "_session" in self.__dict__:
            self._session.close()
            del self._session

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @cached_property
    def _session(self) -> Session:
        # Takes 0.2 s, which `hayhooks --help` need not pay.
        from requests import Session

        session = Session()
        if self.api_key:
            session.headers["X-API-Key"] = self.api_key
        return session

    def _call(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        with Answer(self._send(method, path, **content)) as answer:
            body = answer.body()
        if not isinstance(body, dict):
            raise ClientError(f"{self.base_url} answers, but not as a Hayhooks server does.")
        return body

    def _send(self, method: str, path: str, **content: Any) -> Response:
        # Redirects are not followed: the key would go along, and a POST would become a GET.
        with reported(f"No server answers at {self.base_url}", ServerUnreachable):
            response = self._session.request(
                method,
                self.base_url + path,
                timeout=(self.timeout or _CONNECT_TIMEOUT, self.timeout),
                verify=self.verify,
                allow_redirects=False,
                stream=True,
                **content,
            )
        if response.ok and not response.is_redirect:
            return response
        with Answer(response) as answer:
            raise refusal(response.status_code, answer.read(), response.headers)


def form_text(value: Any) -> str:
    """Write a value as the text of a form field: text as it is, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _segment(name: str) -> str:
    # A terminal gives bytes that are no text as halves of surrogate pairs.
    return quote(name, safe="", errors="surrogateescape")


def _given(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def as_bytes(content: str | Mapping[str, str]) -> bytes:
    """Return the content of a file that the server sent as text or as `{"base64": ...}`."""
    return content.encode() if isinstance(content, str) else base64.b64decode(content["base64"], validate=True)


def _as_json(content: str | bytes) -> str | dict[str, str]:
    if isinstance(content, str):
        return content
    try:
        return content.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode()}
