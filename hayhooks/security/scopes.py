"""What callers may do, and what each route needs: the one table of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase
from functools import cached_property

SCOPES = ("deploy", "read", "run")
EVERYTHING = "all"
USUAL_SCOPES = ("read", "run")
"""Those of a key that is made without any. To deploy is to run code on the server: that has to be said."""


class Need(Enum):
    """What a caller must be allowed to get an answer from a route."""

    NOTHING = "nothing"
    READ = "the scope 'read'"
    RUN = "the scope 'run'"
    READ_OR_RUN = "the scope 'read' or 'run'"
    DEPLOY = "the scope 'deploy'"


# By the names of routes; an alias needs what its route does. What is not here needs DEPLOY.
_NEEDS = {
    "health": Need.NOTHING,
    "ready": Need.NOTHING,
    "status_all": Need.READ,
    "status_pipeline": Need.READ,
    "metrics": Need.READ,
    "openapi": Need.READ,
    "docs": Need.READ,
    "redoc": Need.READ,
    "docs_asset": Need.READ,
    "pipeline_draw": Need.READ,
    "pipelines_list": Need.READ,
    "pipelines_show": Need.READ,
    "revisions_list": Need.READ,
    "requests_list": Need.READ,
    "requests_cancel": Need.DEPLOY,
    # The source of a pipeline may hold what is nobody's business.
    "revisions_show": Need.DEPLOY,
    "deploy": Need.DEPLOY,
    "pipeline_deploy": Need.DEPLOY,
    "yaml_pipeline_deploy": Need.DEPLOY,
    "undeploy": Need.DEPLOY,
    "pipeline_undeploy": Need.DEPLOY,
    "pipelines_rollback": Need.DEPLOY,
    # Which pipelines may be run is asked again when it is known which one is meant.
    "openai_models": Need.READ_OR_RUN,
    "openai_models_retrieve": Need.READ_OR_RUN,
    "openai_chat_completions": Need.RUN,
    "openai_embeddings": Need.RUN,
    "openai_responses": Need.RUN,
    "openai_responses_retrieve": Need.RUN,
    "openai_responses_delete": Need.RUN,
    "openai_responses_cancel": Need.RUN,
    "openai_responses_items": Need.RUN,
    "openai_files_create": Need.RUN,
    "openai_files_list": Need.RUN,
    "openai_files_content": Need.RUN,
    "openai_files_retrieve": Need.RUN,
    "openai_files_delete": Need.RUN,
}

# Of the routes below the name of a pipeline; all others run it.
_PIPELINE_NEEDS = {"schema": Need.READ_OR_RUN, "example": Need.READ_OR_RUN}

PUBLIC_PATHS = frozenset({"/health", "/ready"})
"""The paths of the routes that need nothing, for GET."""


def need_of(route: str) -> Need:
    """Return what a route of the server needs, by its name."""
    return _NEEDS.get(route.removesuffix("_alias"), Need.DEPLOY)


def need_of_pipeline_route(route: str) -> Need:
    """Return what a route of a pipeline needs, by its name."""
    return _PIPELINE_NEEDS.get(route, Need.RUN)


def check_scopes(scopes: Iterable[str]) -> None:
    """Raise `ValueError` for a scope that does not exist."""
    for scope in scopes:
        kind, colon, pattern = scope.partition(":")
        if not (scope in (*SCOPES, EVERYTHING) or (kind == "run" and colon and pattern)):
            raise ValueError(f"There is no scope {scope!r}: use deploy, read, run, run:PATTERN or all")


@dataclass(frozen=True)
class Caller:
    """Somebody who is known by name, and what they may do; without scopes, everything.

    Scopes are `deploy`, which includes `read`; `read`; `run`, for all pipelines; `run:PATTERN`, for those whose
    names match, as `run:rag-*`; `all`. Raises `ValueError` for any other.

    >>> from hayhooks import Caller
    >>> Caller("ada", scopes=["run:rag-*"]).may_run("rag-papers")
    True
    """

    name: str
    scopes: Collection[str] = (EVERYTHING,)

    def __post_init__(self) -> None:
        check_scopes(self.scopes)

    def may(self, need: Need) -> bool:
        """Tell whether they may do something, in the case of `Need.RUN` with any pipeline."""
        return need in self._allowed

    def may_run(self, pipeline: str) -> bool:
        """Tell whether they may run a pipeline."""
        return any(pattern == "*" or fnmatchcase(pipeline, pattern) for pattern in self._patterns)

    def may_see(self, pipeline: str) -> bool:
        """Tell whether a pipeline stands in their list of models: all do for those who may run none."""
        return self.may_run(pipeline) if self._patterns else self.may(Need.READ)

    @cached_property
    def _patterns(self) -> tuple[str, ...]:
        """The names of pipelines that may be run, as patterns."""
        if EVERYTHING in self.scopes or "run" in self.scopes:
            return ("*",)
        return tuple(scope.partition(":")[2] for scope in self.scopes if scope.startswith("run:"))

    @cached_property
    def _allowed(self) -> frozenset[Need]:
        is_all = EVERYTHING in self.scopes
        allowed = {Need.NOTHING}
        if is_all or "deploy" in self.scopes:
            allowed |= {Need.DEPLOY, Need.READ, Need.READ_OR_RUN}
        if is_all or "read" in self.scopes:
            allowed |= {Need.READ, Need.READ_OR_RUN}
        if self._patterns:
            allowed |= {Need.RUN, Need.READ_OR_RUN}
        return frozenset(allowed)


NOBODY = Caller("", scopes=())
"""A request without a key where one is asked for: it gets the public routes."""
