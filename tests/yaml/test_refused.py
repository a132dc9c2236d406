"""YAML that is refused at deploy: status 422 and one sentence that names what is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.yaml.conftest import Deploy

S = "haystack.testing.sample_components"
C = "haystack.components"
P = "tests.yaml.parts"
CHAIN = f"""components:
  first: {{type: {S}.add_value.AddFixedValue, init_parameters: {{add: 2}}}}
  double: {{type: {S}.double.Double}}
connections:
  - {{sender: first.result, receiver: double.value}}
"""
GOOD = f"{CHAIN}inputs: {{value: first.value}}\n"
SHOUT = f"components: {{shout: {{type: {P}.Shout}}}}\n"
MOCK = f"components: {{llm: {{type: {C}.generators.chat.mock.MockChatGenerator}}}}\n"
CHAT = f"{MOCK}inputs: {{messages: llm.messages}}\noutputs: {{replies: llm.replies}}\n"
TEXTS = f"{SHOUT}inputs: {{text: shout.text, mark: shout.mark, times: shout.times}}\n"


def one(type_: str, parameters: str = "{}") -> str:
    return f"components: {{x: {{type: {type_}, init_parameters: {parameters}}}}}\ninputs: {{a: x.a}}"


def connected(connection: str) -> str:
    components = f"components: {{a: {{type: {P}.Shout}}, b: {{type: {P}.Shout}}}}"
    return f"{components}\nconnections: [{connection}]\ninputs: {{t: a.text}}"


LAUGHS = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefg", "bcdefgh", strict=True)
)
CHAINED = "a0: &a0 [1]\n" + "".join(f"a{number}: &a{number} [*a{number - 1}]\n" for number in range(1, 2000))
MERGED = "a: &a {x: 1}\n" + "".join(
    f"{name}: &{name} {{<<: [{','.join([f'*{before}'] * 10)}]}}\n"
    for before, name in zip("abcdefg", "bcdefgh", strict=True)
)

UNREADABLE = {
    "syntax": ("a: [1\nb: 2", "at line 2, column 2: expected ',' or ']', but got ':'"),
    "key-twice": ("a: 1\nb: {c: 1,\n    c: 2}", "at line 3, column 5: the key 'c' stands twice, first in line 2"),
    "component-twice": (
        "components:\n  a: {}\n  a: {}\n",
        "at line 3, column 3: the key 'a' stands twice, first in line 2",
    ),
    "control-character": ("a: 1\nb: \x00", "at line 2: special characters are not allowed"),
    "two-documents": (
        "--- {}\n--- {}",
        "at line 2, column 1: expected a single document in the stream but found another document",
    ),
    "python-tag": (
        "a: !!python/object:os.system x",
        "at line 1, column 4: could not determine a constructor for the tag "
        "'tag:yaml.org,2002:python/object:os.system'",
    ),
    "impossible-date": (
        "a: 2026-99-99",
        "at line 1, column 4: '2026-99-99' is no date; quote it if it is a text",
    ),
    "impossible-number": (
        "b: 1\na: [08:99, !!int x]",
        "at line 2, column 12: 'x' is no whole number; quote it if it is a text",
    ),
    "many": ("[" + "a," * 10_000 + "]", ": it has more than 10000 keys and values"),
    "deep-and-long": ("[" * 200_000, ": it is nested too deeply"),
    "unknown-alias": ("a: *b", "at line 1, column 4: found undefined alias 'b'"),
    "contains-itself": ("a: &a [*a]", "at line 1, column 4: this contains itself"),
    "billion-laughs": (LAUGHS, ": with what its aliases stand for it has more than 100000 values"),
    "merged-laughs": (MERGED, ": with what its aliases stand for it has more than 100000 values"),
    "deep": ("[" * 20_000, ": it is nested too deeply"),
    "deep-by-aliases": (CHAINED, ": it is nested too deeply"),
    "long": ("a: " + "x" * 250_000, ": it has more than 250000 characters"),
}

REFUSED: dict[str, tuple[str, str]] = {
    **{
        name: (source, f"The YAML cannot be read{'' if text.startswith(':') else ' '}{text}")
        for name, (source, text) in UNREADABLE.items()
    },
    "list": ("[a]", "The YAML must be a mapping with 'components', not a list"),
    "empty": ("", "YAML pipeline must declare at least one of 'inputs' or 'outputs'."),
    "neither": (CHAIN, "YAML pipeline must declare at least one of 'inputs' or 'outputs'."),
    "no-components": (
        "inputs: {a: b.c}",
        "The YAML is no Haystack pipeline: 'components' must map names to 'type' and 'init_parameters', and it has "
        "none",
    ),
    "components-list": ("components: [a]\ninputs: {a: b.c}", "'components' must be a mapping, not ['a']"),
    "component-text": ("components: {x: y}\ninputs: {a: b.c}", "'components.x' must be a mapping, not 'y'"),
    "component-number": ("components: {5: {}}\ninputs: {a: b.c}", "'components' must have texts as keys, not 5"),
    "no-type": ("components: {x: {typ: a}}\ninputs: {a: b.c}", "'components.x.type' is missing"),
    "parameters-list": (one(f"{P}.Shout", "[1]"), "'components.x.init_parameters' must be a mapping, not [1]"),
    "dot-in-name": (
        f"components: {{a.b: {{type: {P}.Shout}}}}\ninputs: {{a: b.c}}",
        "The component name 'a.b' cannot be used: it must have no '.' and not be '_debug'",
    ),
    "unknown-class": (
        one(f"{S}.double.Duoble"),
        f"The component 'x' has the type '{S}.double.Duoble', which does not exist; did you mean '{S}.double.Double'?",
    ),
    "short-path": (
        one(f"{C}.builders.PromptBuilder"),
        f"The component 'x' has the type '{C}.builders.PromptBuilder', which does not exist; did you mean "
        f"'{C}.builders.prompt_builder.PromptBuilder'?",
    ),
    "no-path": (
        one("PromptBuilder"),
        "The component 'x' has the type 'PromptBuilder', which does not exist; did you mean "
        f"'{C}.builders.prompt_builder.PromptBuilder'?",
    ),
    "unlike-anything": (
        one("haystack.nothing.Here"),
        "The component 'x' has the type 'haystack.nothing.Here', which does not exist: is its package installed, and "
        "its path right?",
    ),
    "removed": (
        one(f"{C}.generators.openai.OpenAIGenerator"),
        f"The component 'x' has the type '{C}.generators.openai.OpenAIGenerator', which Haystack 3 no longer has: use "
        f"{C}.generators.chat.openai.OpenAIChatGenerator, whose input is 'messages' and takes a text too",
    ),
    "moved": (
        one(f"{C}.converters.tika.TikaDocumentConverter"),
        f"The component 'x' has the type '{C}.converters.tika.TikaDocumentConverter', which Haystack 3 has in a "
        "package of its own: pip install tika-haystack, and write the type as "
        "haystack_integrations.components.converters.tika.TikaDocumentConverter",
    ),
    "integration": (
        one("haystack_integrations.components.generators.nowhere.Nothing"),
        "The component 'x' has the type 'haystack_integrations.components.generators.nowhere.Nothing', which is in no "
        "installed package: install the one that holds haystack_integrations.components.generators.nowhere",
    ),
    "missing-module": (
        one(f"{P.replace('parts', 'broken')}.Thing"),
        "The component 'x' has the type 'tests.yaml.broken.Thing', which needs the module 'no_such_module', which is "
        "not installed",
    ),
    "not-allowed": (
        one("my.parts.Thing"),
        "The component 'x' needs the module 'my.parts', which Haystack may not load from YAML; if you trust it, start "
        "the server with HAYSTACK_DESERIALIZATION_ALLOWLIST=my.parts",
    ),
    "not-allowed-inside": (
        one(f"{C}.retrievers.in_memory.bm25_retriever.InMemoryBM25Retriever", "{document_store: {type: my.Store}}"),
        "The component 'x' needs the module 'my', which Haystack may not load from YAML; if you trust it, start "
        "the server with HAYSTACK_DESERIALIZATION_ALLOWLIST=my",
    ),
    "unknown-parameter": (
        one(f"{S}.add_value.AddFixedValue", "{ad: 2}"),
        "The component 'x' (AddFixedValue) has no init parameter 'ad'; did you mean 'add'?",
    ),
    "missing-parameter": (
        one(f"{C}.builders.prompt_builder.PromptBuilder"),
        "The component 'x' (PromptBuilder) needs the init parameter 'template'",
    ),
    "missing-variable": (
        one(f"{P}.NeedsKey", "{api_key: {type: env_var, env_vars: [NO_SUCH_KEY], strict: true}}"),
        "The component 'x' needs the environment variable 'NO_SUCH_KEY', which is not set",
    ),
    "cannot-be-made": (one(f"{P}.Fails", "{why: It rains}"), "The component 'x' (Fails) cannot be made: It rains"),
    "connection-text": (f"{SHOUT}connections: [a]\ninputs: {{a: b.c}}", "'connections[0]' must be a mapping, not 'a'"),
    "no-receiver": (connected("{sender: a.answer}"), "'connections[0].receiver' is missing"),
    "unknown-sender": (
        connected("{sender: c.answer, receiver: b.text}"),
        "The connection from 'c.answer' to 'b.text' cannot be made: there is no component 'c'; there is: a, b",
    ),
    "unknown-receiver-input": (
        connected("{sender: a.answer, receiver: b.txt}"),
        "The connection from 'a.answer' to 'b.txt' cannot be made: the component 'b' has no input 'txt'; did you mean "
        "'text'?",
    ),
    "unknown-sender-output": (
        connected("{sender: a.anwser, receiver: b.text}"),
        "The connection from 'a.anwser' to 'b.text' cannot be made: the component 'a' has no output 'anwser'; did you "
        "mean 'answer'?",
    ),
    "types-differ": (
        connected("{sender: a.length, receiver: b.text}"),
        "The connection from 'a.length' to 'b.text' cannot be made: Cannot connect 'a.length' with 'b.text': their "
        "declared input and output types do not match",
    ),
    "inputs-list": (
        f"{CHAIN}inputs: [first.value]",
        "'inputs' must map public names to 'component.field', it is a list",
    ),
    "outputs-text": (
        f"{GOOD}outputs: double.value",
        "'outputs' must map public names to 'component.field', it is a text",
    ),
    "no-target": (
        f"{CHAIN}inputs: {{value: first}}",
        "'value' must be 'component.field' or a list of those, it is 'first'",
    ),
    "inputs-empty-list": (
        f"{CHAIN}inputs: []\noutputs: {{a: double.value}}",
        "'inputs' must map public names to 'component.field', it is a list",
    ),
    "outputs-false": (
        f"{GOOD}outputs: false",
        "'outputs' must map public names to 'component.field', it is true or false",
    ),
    "outputs-number": (f"{GOOD}outputs: 0", "'outputs' must map public names to 'component.field', it is a number"),
    **{
        f"{name}-target": (source, f"'value' must be 'component.field' or a list of those, it is {shown}")
        for name, source, shown in (
            ("dotless-input", f"{CHAIN}inputs: {{value: [first.value, first]}}", "['first.value', 'first']"),
            ("number-input", f"{CHAIN}inputs: {{value: [first.value, 3]}}", "['first.value', 3]"),
            ("dotless-output", f"{GOOD}outputs: {{value: [zz, double.value]}}", "['zz', 'double.value']"),
        )
    },
    "unknown-second-output": (
        f"{GOOD}outputs: {{o: [double.value, double.zz]}}",
        "The output 'o' points to 'double.zz', which the pipeline does not have; did you mean 'double.value'?",
    ),
    "needs-more": (
        f"{SHOUT}inputs: {{mark: shout.mark}}",
        "The component 'shout' needs the input 'text', which no connection and no declared input fills; add "
        "'shout.text' to 'inputs'",
    ),
    "name-yes": (
        f"{CHAIN}inputs: {{yes: first.value}}",
        "Declared input True must be a name like in Python: letters, digits and '_', not '_' first, no keyword and not "
        "'model_config'; YAML reads yes, no, on, off, true and false as truth values: quote the name",
    ),
    "no-component": (
        one("haystack.dataclasses.document.Document"),
        "The component 'x' has the type 'haystack.dataclasses.document.Document', which is no component of Haystack",
    ),
    "unknown-input": (
        f"{CHAIN}inputs: {{value: frist.value}}",
        "The input 'value' points to 'frist.value', which the pipeline does not have; did you mean 'first.value'?",
    ),
    "unknown-second-target": (
        f"{CHAIN}inputs: {{value: [first.value, first.valeu]}}",
        "The input 'value' points to 'first.valeu', which the pipeline does not have; did you mean 'first.value'?",
    ),
    "connected-input": (
        f"{CHAIN}inputs: {{value: double.value}}",
        "The input 'value' points to 'double.value', which a connection feeds already",
    ),
    "unknown-output": (
        f"{GOOD}outputs: {{result: x.y}}",
        "The output 'result' points to 'x.y', which the pipeline does not have; there is: first.result, double.value",
    ),
    "target-twice": (
        f"{CHAIN}inputs: {{v1: first.value, v2: first.value}}",
        "Declared input 'v2' targets 'first.value'; 'first.value' already targeted by declared input 'v1'. Each "
        "pipeline input target may be declared only once.",
    ),
    "callback": (
        f"{MOCK}inputs: {{messages: llm.messages, callback: llm.streaming_callback}}",
        "The input 'callback' points to 'llm.streaming_callback', which takes objects of Python and nothing that JSON "
        "can hold",
    ),
    "tools": (
        f"{MOCK}inputs: {{messages: llm.messages, tools: llm.tools}}",
        "The input 'tools' points to 'llm.tools', which takes objects of Python and nothing that JSON can hold",
    ),
    **{
        f"object-{name}": (
            f"components: {{x: {{type: {P}.NeedsObjects}}}}\ninputs: {{a: x.{name}}}",
            f"The input 'a' points to 'x.{name}', which takes objects of Python and nothing that JSON can hold",
        )
        for name in ("callback", "kind", "callbacks", "by_name", "secret", "opaque", "toolset")
    },
    **{
        f"name-{name}": (
            f"{CHAIN}inputs: {{{name}: first.value}}",
            f"Declared input '{name}' must be a name like in Python: letters, digits and '_', not '_' first, no "
            "keyword and not 'model_config'",
        )
        for name in ("my-value", "class", "_value", "model_config")
    },
    "description": (f"{GOOD}description: [a]", "'description' must be a text, not ['a']"),
    "skip-mcp": (f"{GOOD}skip_mcp: maybe", "'skip_mcp' must be true or false, not 'maybe'"),
    "response": (f"{GOOD}response: flat", "'response' must be 'raw' or 'declared', not 'flat'"),
    "runs": (f"{GOOD}max_runs_per_component: x", "'max_runs_per_component' must be a whole number, not 'x'"),
    **{
        f"runs-{value}": (
            f"{GOOD}max_runs_per_component: {value}",
            f"'max_runs_per_component' must be {text}, not {shown}",
        )
        for value, text, shown in (
            ("-1", "greater than or equal to 1", "-1"),
            ("0", "greater than or equal to 1", "0"),
            ("true", "a whole number", "True"),
        )
    },
    "validation": (f"{GOOD}connection_type_validation: 5", "'connection_type_validation' must be true or false, not 5"),
    "example-nan": (
        f"{GOOD}examples: [{{value: .nan}}]",
        "'examples[0]' does not fit: 'value' has a number that JSON does not have, as nan",
    ),
    "streaming-text": (
        f"{GOOD}streaming_components: first",
        "'streaming_components' must be 'all' or a list of components, not 'first'",
    ),
    "streaming-unknown": (
        f"{CHAT}streaming_components: [lm]",
        "'streaming_components' names 'lm', which is no component that streams; did you mean 'llm'?",
    ),
    "streaming-none": (
        f"{GOOD}streaming_components: [first]",
        "'streaming_components' names 'first', which is no component that streams",
    ),
    "examples-mapping": (f"{GOOD}examples: {{value: 1}}", "'examples' must be a list, not {'value': 1}"),
    "examples-text": (f"{GOOD}examples: [a]", "'examples[0]' must be a mapping, not 'a'"),
    "example-wrong": (
        f"{GOOD}examples: [{{value: 1}}, {{value: x}}]",
        "'examples[1]' does not fit: 'value': Input should be a valid integer, unable to parse string as an integer",
    ),
    "example-incomplete": (f"{GOOD}examples: [{{}}]", "'examples[0]' does not fit: 'value': Field required"),
    "example-unknown": (
        f"{GOOD}examples: [{{value: 1, vlaue: 2}}]",
        "'examples[0]' does not fit: 'vlaue' is no parameter of the pipeline",
    ),
    "chat-number": (f"{CHAT}chat: 5", "'chat' must be true or a mapping, not 5"),
    "chat-key": (f"{CHAT}chat: {{inptu: messages}}", "'chat.inptu' is no key of 'chat'; did you mean 'input'?"),
    "chat-messages": (f"{CHAT}chat: {{messages: first}}", "'chat.messages' must be 'last' or 'all', not 'first'"),
    "chat-input": (
        f"{CHAT}chat: {{input: mesages}}",
        "'chat.input' is 'mesages', which is no declared input; did you mean 'messages'?",
    ),
    "chat-input-type": (
        f"{TEXTS}outputs: {{answer: shout.answer}}\nchat: {{input: times}}",
        "'chat.input' is 'times', which takes neither a text nor messages",
    ),
    "chat-which-input": (
        f"{TEXTS}outputs: {{answer: shout.answer}}\nchat: true",
        "'chat' needs one input that takes a text or messages, and these do: text, mark; name one with 'input'",
    ),
    "chat-no-input": (
        f"{GOOD}outputs: {{result: double.value}}\nchat: true",
        "'chat' needs one input that takes a text or messages, and none does",
    ),
    "chat-all": (
        f"{TEXTS}outputs: {{answer: shout.answer}}\nchat: {{input: text, messages: all}}",
        "'chat.messages' is 'all', but the input 'text' takes no list of messages",
    ),
    "chat-other-required": (
        f"{TEXTS}outputs: {{answer: shout.answer}}\nchat: {{input: mark}}",
        "'chat' leaves the required input 'text' without a value: a conversation fills 'mark' alone",
    ),
    "chat-no-output": (
        f"{MOCK}inputs: {{messages: llm.messages}}\nchat: true",
        "'chat' needs one output that is a text or a message, and none is",
    ),
    "chat-which-output": (
        f"{CHAT.replace('outputs: {', 'outputs: {more: llm.replies, ')}chat: true",
        "'chat' needs one output that is a text or a message, and these are: more, replies; name one with 'output'",
    ),
    "chat-output": (
        f"{CHAT}chat: {{output: reply}}",
        "'chat.output' is 'reply', which is no declared output; did you mean 'replies'?",
    ),
    "chat-output-type": (
        f"{TEXTS}outputs: {{length: shout.length}}\nchat: {{input: text, output: length}}",
        "'chat.output' is 'length', which is neither a text nor a message",
    ),
}


@pytest.mark.parametrize(("source", "message"), REFUSED.values(), ids=list(REFUSED))
def test_a_wrong_yaml_is_refused_with_one_sentence(
    client: TestClient, deploy: Deploy, source: str, message: str
) -> None:
    deploy(GOOD, name="other")

    answer = client.post("/deploy-yaml", json={"name": "p", "source_code": source})

    assert (answer.status_code, answer.json()) == (422, {"detail": message})
    assert client.get("/status").json()["pipelines"] == ["other"]
    assert client.post("/other/run", json={"value": 3}).json() == {"result": {"double": {"value": 10}}}


def test_a_name_that_is_taken_is_refused_before_the_yaml_is_read(client: TestClient, deploy: Deploy) -> None:
    deploy(GOOD)

    answer = client.post("/deploy-yaml", json={"name": "p", "source_code": "a: [1"})

    assert (answer.status_code, answer.json()) == (409, {"detail": "Pipeline 'p' already exists"})


def test_a_failed_overwrite_leaves_the_pipeline(client: TestClient, deploy: Deploy) -> None:
    deploy(GOOD)
    body: dict[str, Any] = {"name": "p", "source_code": f"{GOOD}response: flat", "overwrite": True}

    answer = client.post("/deploy-yaml", json=body)

    assert answer.status_code == 422
    assert client.post("/p/run", json={"value": 3}).json() == {"result": {"double": {"value": 10}}}


@pytest.mark.parametrize(
    "key",
    [
        "respone: declared",
        "async_: false",
        "limits: {}",
        "whatever: [1]",
        "chat: false",
        "chat:",
        "examples: []",
        "skip_mcp:",
    ],
)
def test_unknown_keys_and_empty_ones_are_ignored(client: TestClient, deploy: Deploy, key: str) -> None:
    deploy(f"{GOOD}{key}\n")

    assert client.post("/p/run", json={"value": 3}).json() == {"result": {"double": {"value": 10}}}


def test_a_key_that_is_nearly_one_of_ours_is_logged(deploy: Deploy, caplog: pytest.LogCaptureFixture) -> None:
    deploy(f"{GOOD}respone: declared\nwhatever: 1\n")

    assert [record.getMessage() for record in caplog.records if "ignored" in record.getMessage()] == [
        "The YAML has the key 'respone', which is ignored; did you mean 'response'?"
    ]
