"""The settings of the server: one table of names, types, defaults and meanings.

`Settings(...)` takes what it is given and reads nothing. `Settings.load(...)` adds the
HAYHOOKS_* variables of the environment and of the nearest `.env` file: argument before
environment before `.env` before default.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from hayhooks.environment import read_environment
from hayhooks.errors import SettingsError
from hayhooks.files import DEFAULT_IGNORED
from hayhooks.security.keys import parse_keys


class StartupDeployStrategy(StrEnum):
    """How the pipelines found at start-up are set up."""

    PARALLEL = "parallel"
    SEQUENTIAL = "sequential"


APP_TITLE = "Hayhooks"
APP_DESCRIPTION = "Deploys Haystack pipelines and serves them as REST APIs and OpenAI-compatible endpoints."


def _split(value: object) -> object:
    """Read a list from JSON or from comma-separated text."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [item.strip() for item in value.split(",") if item.strip()]


def _pairs(value: object) -> object:
    """Read a mapping from JSON or from comma-separated `name=value`."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("{"):
        return json.loads(value)
    pairs = [item.partition("=") for item in value.split(",") if item.strip()]
    if not all(name.strip() and text.strip() for name, _, text in pairs):
        raise ValueError("must be pairs like gpt-4o=rag, with commas between them")
    return {name.strip(): text.strip() for name, _, text in pairs}


def _readable_keys(value: SecretStr) -> SecretStr:
    parse_keys(value.get_secret_value())
    return value


def _on_or_off(value: object) -> object:
    """Read a switch: YAML files turn `on` and `off` into true and false."""
    word = str(value).lower()
    return {"true": "on", "1": "on", "yes": "on", "false": "off", "0": "off", "no": "off"}.get(word, word)


Level = Annotated[
    Literal["TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL"],
    BeforeValidator(lambda value: value.upper() if isinstance(value, str) else value),
]
Pattern = Annotated[str, AfterValidator(lambda value: re.compile(value).pattern)]
Names = Annotated[list[str], BeforeValidator(_split)]
Aliases = Annotated[dict[str, str], BeforeValidator(_pairs)]
Keys = Annotated[SecretStr, AfterValidator(_readable_keys)]
Switch = Annotated[Literal["auto", "on", "off"], BeforeValidator(_on_or_off)]
Prefix = Annotated[str, AfterValidator(lambda value: f"/{value.strip('/')}".rstrip("/"))]


# Older spellings of variables, read when the usual one is not set: the README of v0.1
# says ..._PYTHONPATH, and its server read LOG.
_OLD_VARIABLES = {"additional_python_path": "HAYHOOKS_ADDITIONAL_PYTHONPATH", "log_level": "LOG"}


class Settings(BaseModel):
    """Every setting, with its default. The variable is `HAYHOOKS_` and the name in capitals."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    host: str = Field("localhost", description="The address that the server listens on.")
    port: int = Field(1416, ge=0, le=65535, description="The port that the server listens on; 0 takes a free one.")
    root_path: Prefix = Field("", description="The path prefix that a proxy in front of the server strips.")
    pipelines_dir: Path = Field(Path("pipelines"), description="Pipelines found here are deployed at start-up.")
    additional_python_path: str = Field(
        "", description="A directory of modules that all wrappers can import; appended to `sys.path`."
    )
    graceful_shutdown_timeout: int = Field(
        5, ge=0, le=300, description="Seconds that open requests get when the server stops."
    )
    show_tracebacks: bool = Field(
        False, description="Send the text and traceback of user errors to the client, and write them to the log."
    )
    startup_wait: float = Field(
        30, ge=0, description="Seconds that a request waits for a pipeline that is still being loaded at start-up."
    )
    files_to_ignore_patterns: Names = Field(
        list(DEFAULT_IGNORED), description="File names that are skipped when a directory is read."
    )
    streaming_components: str = Field(
        "", description="Components that stream: empty for the last one, `all`, or a comma-separated list."
    )
    yaml_response: Literal["raw", "declared"] = Field(
        "raw", description="Whether YAML pipelines answer in Haystack's form or with their declared outputs."
    )
    startup_deploy_strategy: StartupDeployStrategy = Field(
        StartupDeployStrategy.PARALLEL, description="Whether pipelines are set up side by side at start-up."
    )
    startup_deploy_workers: int = Field(4, ge=1, le=32, description="How many are set up side by side.")
    run_threads: int = Field(
        512, ge=1, description="How many plain run methods of one pipeline may run at the same time."
    )
    max_concurrency: int | None = Field(
        None, ge=1, description="How many runs of one pipeline may be under way at the same time; those beyond wait."
    )
    max_queue: int = Field(100, ge=0, description="How many runs of one pipeline may wait; those beyond are refused.")
    run_timeout: float | None = Field(None, gt=0, description="Seconds that a run may take, with all of its stream.")
    send_timeout: float = Field(
        60, gt=0, description="Seconds after which a client that reads nothing of a stream is cut off."
    )
    trial_timeout: float = Field(
        60, gt=0, description="Seconds that a pipeline gets to be ready when it is only tried."
    )
    deploy_timeout: float = Field(
        600, gt=0, description="Seconds that a pipeline gets to load, set itself up and test itself."
    )
    deploy_wait: float = Field(
        60, gt=0, description="Seconds that a deploy waits for another one of the same pipeline."
    )
    teardown_timeout: float = Field(
        30, gt=0, description="Seconds that a pipeline which is not served any more gets to end."
    )
    shared: bool = Field(
        False, description="Other processes serve the same pipelines directory: follow what they deploy there."
    )
    watch: bool = Field(False, description="Deploy a pipeline again when its files in the pipelines directory change.")
    workers_timeout: float = Field(
        30, gt=0, description="Seconds that a deploy waits for the other processes to serve it too."
    )
    revisions_kept: int = Field(10, ge=1, description="How many saved revisions of a pipeline are kept.")
    max_body_size: int = Field(
        10 * 1024 * 1024,
        gt=0,
        description="The largest body of a request, in bytes, but for forms, deploys and uploads.",
    )
    max_form_size: int = Field(
        100 * 1024 * 1024, gt=0, description="The largest form and the largest deploy, in bytes."
    )
    max_form_parts: int = Field(1000, gt=0, description="How many files a form may have, and how many other fields.")
    max_upload_size: int = Field(512 * 1024 * 1024, gt=0, description="The largest upload to `/v1/files`, in bytes.")
    max_header_size: int = Field(
        64 * 1024, ge=1024, description="The largest head of a request, its first line and all headers, in bytes."
    )
    receive_timeout: float = Field(
        60, gt=0, description="Seconds in which the head of a request, and each further KB of its body, have to come."
    )
    rate_limit: str = Field(
        "", description="How many runs each client may start, as `60/minute`; empty for any number."
    )
    rate_limit_storage: str = Field(
        "memory://", description="Where they are counted: in each process, or for all in Redis, as `redis://host:6379`."
    )
    max_streams_per_key: int = Field(
        0, ge=0, description="How many streams each client may have open in a process; 0 for any number."
    )
    model_aliases: Aliases = Field(
        {}, description="Other names of models, as `gpt-4o=rag,gpt-4o-mini=rag`; `/v1/models` lists them too."
    )
    responses_kept: int = Field(1000, ge=0, description="How many responses of `/v1/responses` are kept in memory.")
    responses_size: int = Field(
        256 * 1024 * 1024, ge=0, description="How many bytes the conversations of the kept responses may have together."
    )
    responses_lifetime: float = Field(86400, gt=0, description="Seconds that a response is kept.")
    metrics: bool = Field(True, description="Count for `GET /metrics`, where the extra `metrics` is installed.")
    loop_lag_warning: float = Field(
        1.0, ge=0, description="Seconds after which a warning tells what holds the event loop; 0 for none."
    )
    access_log: bool = Field(True, description="Write one line per request.")
    log_level: Level = Field("INFO", description="The least severe level that is logged.")
    log_format: Literal["default", "verbose", "json"] = Field(
        "default", description="`verbose` adds the place in the code; `json` writes an object per line."
    )
    intercepted_loggers: Names = Field(
        ["uvicorn", "uvicorn.error", "uvicorn.access"],
        description="Loggers of the standard library whose records join ours.",
    )
    api_keys: Keys | None = Field(
        None, description="Keys, as `name=secret;scope;scope,name=secret`; without any, and a key file, none is needed."
    )
    key_file: Path | None = Field(
        None, description="Where `hayhooks keys` keeps its keys; empty for `.hayhooks/keys.json` below the pipelines."
    )
    deploy: Switch = Field(
        "auto",
        description="Who may deploy without keys: `auto` for this machine, `on` for all; `off` for nobody at all.",
    )
    allowed_hosts: Names = Field(
        [],
        description="Names besides local ones that a server on loopback without keys answers to, as `*.example.org`.",
    )
    cors_allow_origins: Names = Field([], description="Origins whose pages may call the server; `*` for all.")
    cors_allow_origin_regex: Pattern | None = Field(None, description="Origins, as a regular expression.")
    cors_allow_methods: Names = Field(["*"], description="Methods that such pages may use.")
    cors_allow_headers: Names = Field(["*"], description="Headers that such pages may send.")
    cors_allow_credentials: bool = Field(False, description="Whether such pages may send cookies.")
    cors_expose_headers: Names = Field([], description="Headers that such pages may read.")
    cors_max_age: int = Field(600, description="Seconds that a browser may keep a preflight answer.")

    @classmethod
    def load(
        cls,
        *,
        env_file: str | os.PathLike[str] | None = None,
        environment: Mapping[str, str] | None = None,
        **given: Any,
    ) -> Self:
        """Read the settings from `environment`, else from what `read_environment(env_file)` finds.

        A `given` value of None counts as not given. Raises `SettingsError`, whose text is one
        line that names the variable.
        """
        found = read_environment(env_file) if environment is None else environment
        variables = _variables(cls, {name.upper(): value for name, value in found.items() if value})
        values: dict[str, Any] = {name: value for name, (_, value) in variables.items()}
        values.update({name: value for name, value in given.items() if value is not None})
        try:
            return cls(**values)
        except ValidationError as exc:
            first = exc.errors(include_url=False)[0]
            name = str(first["loc"][0])
            variable = f"HAYHOOKS_{name.upper()}" if name in given else variables[name][0]
            value = "what it is" if name in SECRETS else repr(first["input"])
            raise SettingsError(f"{variable} cannot be {value}: {first['msg']}.") from None


SECRETS = frozenset({"api_keys"})
"""Settings that are never shown, nor passed on but by the environment."""


def _variables(cls: type[Settings], found: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Return the variable that holds each setting, and its value."""
    variables = {}
    for name in cls.model_fields:
        for variable in (f"HAYHOOKS_{name.upper()}", _OLD_VARIABLES.get(name, "")):
            if variable in found:
                variables[name] = (variable, found[variable])
                break
    return variables


AppSettings = Settings
"""Upstream's name."""


def __getattr__(name: str) -> Any:
    """Make `settings`, which upstream has here: what the environment says when it is first asked for."""
    if name != "settings":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    settings = globals()["settings"] = Settings.load()
    return settings
