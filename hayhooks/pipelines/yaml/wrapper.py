"""The wrapper that serves a pipeline declared in YAML."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, create_model

from hayhooks.errors import InvalidYamlIOError
from hayhooks.pipelines.components import find_all_streaming_components
from hayhooks.pipelines.limits import NO_LIMITS
from hayhooks.pipelines.objects import plain
from hayhooks.pipelines.yaml.chat import YamlChat, resolve_chat
from hayhooks.pipelines.yaml.components import ComponentForm, make_component_form
from hayhooks.pipelines.yaml.document import (
    ResponseForm,
    YamlDocument,
    hint,
    read_streaming_components,
)
from hayhooks.pipelines.yaml.json_types import Shown, json_type
from hayhooks.pipelines.yaml.loading import load_pipeline
from hayhooks.pipelines.yaml.reading import read_mapping
from hayhooks.pipelines.yaml.sockets import (
    InputResolution,
    OutputResolution,
    check_needs,
    derive_inputs,
    derive_outputs,
    get_components_from_outputs,
    is_declared,
    resolve_inputs,
    resolve_outputs,
)
from hayhooks.wrapper import BasePipelineWrapper


class YAMLPipelineWrapper(BasePipelineWrapper):
    """Serves a pipeline that was declared in YAML; made by `from_yaml()` or `from_file()`.

    Its `run_api` takes the declared inputs. Its result has Haystack's form, `{component: {output:
    value}}`; with the response form "declared" it is `{declared output: value}`, null for an output
    that the run did not reach. With `derives_sockets`, a YAML that declares neither inputs nor
    outputs gets both from the pipeline, and `component_form` (contract 2.9).
    """

    def __init__(
        self,
        document: Mapping[str, Any],
        *,
        description: str | None = None,
        response: ResponseForm = "raw",
        derives_sockets: bool = False,
    ) -> None:
        self._document = document
        self._derives_sockets = derives_sockets
        written = document.get("description")
        self.description = description or (written if isinstance(written, str) else "")
        self.response: ResponseForm = response
        self.input_resolutions: dict[str, InputResolution] = {}
        self.output_resolutions: dict[str, OutputResolution] = {}
        self.streaming_components = read_streaming_components(document)
        self.component_form: ComponentForm | None = None
        self.limits = NO_LIMITS

    @classmethod
    def from_yaml(
        cls,
        source_code: str,
        description: str | None = None,
        *,
        response: ResponseForm = "raw",
        derives_sockets: bool = False,
    ) -> YAMLPipelineWrapper:
        """Read a pipeline from YAML text. Raises `PipelineYamlError`; the pipeline is made by `setup()`.

        What is given here is the default: `response` in the YAML wins.
        """
        document = read_mapping(source_code)
        return cls(document, description=description, response=response, derives_sockets=derives_sockets)

    @classmethod
    def from_file(cls, path: str | Path, description: str | None = None) -> YAMLPipelineWrapper:
        """Read a pipeline from a YAML file."""
        return cls.from_yaml(Path(path).read_text(encoding="utf-8"), description)

    @property
    def include_outputs_from(self) -> set[str] | None:
        """The components whose outputs are part of the result although others consume them."""
        if self.component_form is not None:
            return None
        return get_components_from_outputs(self.output_resolutions) or None

    def setup(self) -> None:
        """Make the pipeline and resolve its inputs and outputs. Raises `PipelineYamlError`."""
        declares = is_declared(self._document)
        if not declares and not self._derives_sockets:
            raise InvalidYamlIOError("YAML pipeline must declare at least one of 'inputs' or 'outputs'.")
        document = YamlDocument.check(self._document)
        self.pipeline = load_pipeline(document)
        if declares:
            self.input_resolutions = resolve_inputs(self.pipeline, self._document)
            check_needs(self.pipeline, self.input_resolutions)
            self.output_resolutions = resolve_outputs(self.pipeline, self._document)
        else:
            self.input_resolutions = derive_inputs(self.pipeline)
            self.output_resolutions = derive_outputs(self.pipeline)
            self.component_form = make_component_form(self.pipeline)
        self._take_keys(document)
        self.run_api = self._make_run_api()  # type: ignore[method-assign]  # its signature is the YAML's

    def arguments(self, values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Return the arguments of a run, `{component: {input: value}}`, for values of public inputs.

        An input that is left out is left to Haystack: each of its targets has a default of its own.
        """
        nested: dict[str, dict[str, Any]] = {}
        for name, value in values.items():
            for component, field in self.input_resolutions[name].targets:
                nested.setdefault(component, {})[field] = value
        return nested

    def _take_keys(self, document: YamlDocument) -> None:
        self.response = document.response or self.response
        self.limits = document.limits
        self.examples = tuple(plain(example) for example in document.examples)
        if document.skip_mcp is not None:
            self.skip_mcp = document.skip_mcp
        self._check_streaming_components()
        if document.chat:
            chat = resolve_chat(document.chat, self.input_resolutions, self.output_resolutions)
            self.run_chat_completion = YamlChat(self, chat).run  # type: ignore[method-assign]  # only with `chat`

    def _check_streaming_components(self) -> None:
        if not isinstance(self.streaming_components, list):
            return
        try:
            known = [name for _, name in find_all_streaming_components(self.pipeline)]
        except ValueError:
            known = []
        for name in self.streaming_components:
            if name not in known:
                raise InvalidYamlIOError(
                    f"'streaming_components' names '{name}', which is no component that streams{hint(name, known)}"
                )

    def _make_run_api(self) -> Any:
        def run_api(**values: Any) -> dict[str, Any]:
            # Not `run_async`: that runs components without one of their own on asyncio's few threads.
            result = self.pipeline.run(self.arguments(values), include_outputs_from=self.include_outputs_from)
            if self.response == "raw":
                return {component: plain(outputs) for component, outputs in result.items()}
            return {
                name: plain(result.get(output.component, {}).get(output.output))
                for name, output in self.output_resolutions.items()
            }

        parameters = [
            inspect.Parameter(
                resolution.name,
                inspect.Parameter.KEYWORD_ONLY,
                annotation=json_type(resolution.type),
                default=resolution.default,
            )
            for resolution in self.input_resolutions.values()
        ]
        # The evaluated hints of the function above would win over the signature.
        run_api.__annotations__.clear()
        returned = dict if self.response == "raw" else self._response_model()
        run_api.__signature__ = inspect.Signature(parameters, return_annotation=returned)  # type: ignore[attr-defined]
        # Both are read by `make_run_schema`; a docstring would be taken apart.
        run_api.takes_objects, run_api.description = True, self.description  # type: ignore[attr-defined]
        return run_api

    def _response_model(self) -> type[BaseModel]:
        fields: dict[str, Any] = {
            # A run may end without an output, as behind a router that took another branch.
            f"output_{number}": (
                Annotated[Any, Shown(_or_null(json_type(output.type, takes_text=False)))],
                _named(name),
            )
            for number, (name, output) in enumerate(self.output_resolutions.items())
        }
        return create_model("Outputs", **fields)


def _named(name: str) -> Any:
    return Field(alias=name)


def _or_null(annotation: Any) -> Any:
    return Any if annotation is None or annotation is Any else annotation | None
