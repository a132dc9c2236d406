"""The key `chat`: a YAML pipeline that answers chats (contract 5.2), streamed where its components stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from starlette.exceptions import HTTPException

from hayhooks.errors import InvalidYamlIOError, PipelineRunError
from hayhooks.pipelines.annotations import members
from hayhooks.pipelines.chunks import ChunkCallbacks
from hayhooks.pipelines.components import find_all_streaming_components
from hayhooks.pipelines.invocations import Invocation
from hayhooks.pipelines.messages import chat_messages_from_openai, get_last_user_message, is_user_message
from hayhooks.pipelines.streaming import PipelineStream, emit
from hayhooks.pipelines.yaml.document import ChatKeys, hint
from hayhooks.pipelines.yaml.json_types import is_message_type, json_type, takes_messages, takes_text
from hayhooks.pipelines.yaml.sockets import InputResolution, OutputResolution

if TYPE_CHECKING:
    from hayhooks.pipelines.yaml.wrapper import YAMLPipelineWrapper

# What every chat request has; it never fills an input of the same name.
_TAKEN_KEYS = ("model", "messages", "stream")


@dataclass(frozen=True)
class Chat:
    """How a chat is run: what fills which input, and which output is the answer."""

    input: InputResolution
    messages: Literal["last", "all"]
    output: OutputResolution


def resolve_chat(
    given: ChatKeys | Literal[True], inputs: Mapping[str, InputResolution], outputs: Mapping[str, OutputResolution]
) -> Chat:
    """Complete the key `chat`. Raises `InvalidYamlIOError` that tells what does not fit."""
    keys = ChatKeys() if given is True else given
    input_ = _find_input(keys.input, inputs)
    messages = keys.messages or ("all" if takes_messages(input_.type) else "last")
    if messages == "all" and not takes_messages(input_.type):
        raise InvalidYamlIOError(f"'chat.messages' is 'all', but the input '{input_.name}' takes no list of messages")
    for other in inputs.values():
        if other.is_required and other is not input_:
            raise InvalidYamlIOError(
                f"'chat' leaves the required input '{other.name}' without a value: a conversation fills "
                f"'{input_.name}' alone"
            )
    return Chat(input_, messages, _find_output(keys.output, outputs))


def _find_input(name: str | None, inputs: Mapping[str, InputResolution]) -> InputResolution:
    fitting = [key for key, resolution in inputs.items() if _takes_conversation(resolution.type)]
    if name is None and len(fitting) == 1:
        return inputs[fitting[0]]
    if name is None:
        found = f"these do: {', '.join(fitting)}; name one with 'input'" if fitting else "none does"
        raise InvalidYamlIOError(f"'chat' needs one input that takes a text or messages, and {found}")
    if name not in inputs:
        raise InvalidYamlIOError(f"'chat.input' is '{name}', which is no declared input{hint(name, list(inputs))}")
    if name not in fitting:
        raise InvalidYamlIOError(f"'chat.input' is '{name}', which takes neither a text nor messages")
    return inputs[name]


def _find_output(name: str | None, outputs: Mapping[str, OutputResolution]) -> OutputResolution:
    fitting = [key for key, resolution in outputs.items() if _is_answer(resolution.type)]
    if name is None and len(fitting) == 1:
        return outputs[fitting[0]]
    if name is None:
        found = f"these are: {', '.join(fitting)}; name one with 'output'" if fitting else "none is"
        raise InvalidYamlIOError(f"'chat' needs one output that is a text or a message, and {found}")
    if name not in outputs:
        raise InvalidYamlIOError(f"'chat.output' is '{name}', which is no declared output{hint(name, list(outputs))}")
    if name not in fitting:
        raise InvalidYamlIOError(f"'chat.output' is '{name}', which is neither a text nor a message")
    return outputs[name]


def _takes_conversation(type_: Any) -> bool:
    return takes_messages(type_) or takes_text(type_) or is_message_type(type_)


def _is_answer(type_: Any) -> bool:
    from haystack.dataclasses import GeneratedAnswer

    found = members(type_)
    items = [item for member in found if get_origin(member) is list for item in members(get_args(member)[0])]
    return any(takes_text(item) or is_message_type(item) or item is GeneratedAnswer for item in [*found, *items])


class YamlChat:
    """Runs the chats of one YAML pipeline."""

    def __init__(self, wrapper: YAMLPipelineWrapper, chat: Chat) -> None:
        self._wrapper = wrapper
        self._chat = chat
        self._can_stream = _can_stream(wrapper.pipeline)
        # A chat request may have keys that are named like inputs, as `temperature` or `top_k`.
        self._others: dict[str, TypeAdapter[Any]] = {
            name: TypeAdapter(json_type(resolution.type))
            for name, resolution in wrapper.input_resolutions.items()
            if resolution is not chat.input and name not in _TAKEN_KEYS
        }

    def run(self, model: str, messages: list[dict[str, Any]], body: dict[str, Any]) -> Any:
        """Answer a chat: a text or a message, or the chunks of the run where the client asked for a stream."""
        values = {self._chat.input.name: self._input_value(messages), **self._other_values(body)}
        pipeline, arguments = self._wrapper.pipeline, self._wrapper.arguments(values)
        outputs = self._wrapper.include_outputs_from
        if not self._can_stream:
            return self.answer(pipeline.run(data=arguments, include_outputs_from=outputs))
        if not body.get("stream"):
            return self.answer(Invocation(pipeline, arguments, chosen=None, outputs=outputs, plain=None).run())
        chosen = self._wrapper.streaming_components
        streamed = Invocation(pipeline, arguments, chosen=chosen, outputs=outputs, plain=emit)
        return PipelineStream(streamed, callbacks=_AnswerUnlessStreamed(self))

    def _input_value(self, messages: Sequence[Mapping[str, Any]]) -> Any:
        if not any(map(is_user_message, messages)):
            raise HTTPException(422, "'messages' must have a message of the user")
        asked = [message for message in messages if is_user_message(message)][-1:]
        chosen = asked if self._chat.messages == "last" else messages
        type_ = self._chat.input.type
        if not takes_messages(type_) and not is_message_type(type_):
            return get_last_user_message(chosen) or ""
        converted = chat_messages_from_openai(chosen)
        if not converted:
            raise HTTPException(422, "'messages' must have a message of the user that is not empty")
        return converted if takes_messages(type_) else converted[-1]

    def _other_values(self, body: Mapping[str, Any]) -> dict[str, Any]:
        values = {}
        for name, adapter in self._others.items():
            if body.get(name) is None:
                continue
            try:
                values[name] = adapter.validate_python(body[name])
            except ValidationError as exc:
                raise HTTPException(422, f"'{name}' does not fit: {exc.errors()[0]['msg']}") from exc
        return values

    def answer(self, result: Mapping[str, Any]) -> Any:
        """Return the text or message in the result of a run. Raises `PipelineRunError` when there is none."""
        output = self._chat.output
        if output.output not in result.get(output.component, {}):
            raise PipelineRunError(f"The run ended without the output '{output.name}', which is the answer of chats")
        return _as_answer(result[output.component][output.output])


class _AnswerUnlessStreamed(ChunkCallbacks):
    """Sends the answer as one chunk when the components that stream were not reached, or sent nothing."""

    def __init__(self, chat: YamlChat) -> None:
        super().__init__()
        self._chat = chat
        self._has_streamed = False

    @property
    def has_chunk_callbacks(self) -> bool:
        return True

    def expand(self, chunk: Any) -> Iterator[Any]:
        self._has_streamed |= bool(getattr(chunk, "content", chunk) or getattr(chunk, "tool_calls", None))
        yield chunk

    def end(self, result: Any) -> Iterator[Any]:
        if not self._has_streamed and (answer := self._chat.answer(result)) != "":
            yield answer


def _can_stream(pipeline: Any) -> bool:
    try:
        return bool(find_all_streaming_components(pipeline))
    except ValueError:
        return False


def _as_answer(value: Any) -> Any:
    """Return the text or message in an output; of a list the last one, as an agent's messages end with its answer."""
    if isinstance(value, list | tuple):
        return _as_answer(value[-1]) if value else ""
    if isinstance(value, str) or hasattr(value, "is_from"):
        return value
    # A `GeneratedAnswer` has its text in `data`.
    return str(getattr(value, "data", value) or "")
