"""What may be sent to the server: strategies of hypothesis for names, files, YAML, forms, JSON, chunks and bytes."""

from __future__ import annotations

import base64
from typing import Any

import yaml
from hypothesis import strategies as st

WRAPPER = (
    "from hayhooks import BasePipelineWrapper\n"
    "class PipelineWrapper(BasePipelineWrapper):\n"
    "    def setup(self): pass\n"
    "    def run_api(self, text: str = '') -> str: return text\n"
)

ODD = st.sampled_from(
    [
        "..",
        ".",
        "/",
        "\\",
        "a/../b",
        "../x",
        "/etc/x",
        "c:\\x",
        "{x}",
        "%2e%2e",
        "a\0b",
        "a\nb",
        "con",
        "é",
        "v1",
        "x.yml",
    ]
)
names = st.one_of(st.text(max_size=12), ODD, st.builds("{}{}".format, ODD, st.text(max_size=4)), st.just("x" * 300))

_texts = st.one_of(
    st.text(max_size=60), st.sampled_from(["", "\0", "\ud800", WRAPPER, "import nothing_there\n", "1/0\n"])
)
_contents = st.one_of(
    _texts,
    st.binary(max_size=40).map(lambda content: {"base64": base64.b64encode(content).decode()}),
    st.fixed_dictionaries({"base64": _texts}),
    st.none(),
    st.integers(),
)
_paths = st.one_of(
    names, st.lists(names, min_size=2, max_size=4).map("/".join), st.sampled_from(["a.py", "a", "a/b", "a/b.py"])
)
file_maps = st.builds(
    lambda wrapper, others: {**({"pipeline_wrapper.py": wrapper} if wrapper is not None else {}), **others},
    st.one_of(st.just(WRAPPER), _texts, st.none()),
    st.dictionaries(_paths, _contents, max_size=5),
)

_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["\ud800", "\0", 10**400]),
)
values: st.SearchStrategy[Any] = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
_YAML_WORDS = ["components", "connections", "inputs", "outputs", "metadata", "chat", "examples", "type", "x", "x.value"]
_DOUBLE = {"type": "haystack.testing.sample_components.double.Double", "init_parameters": {}}
_yaml_values = st.recursive(
    st.one_of(st.sampled_from([*_YAML_WORDS, "x.nothing", _DOUBLE]), st.integers(), st.none(), st.text(max_size=8)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_YAML_WORDS), inner, max_size=4),
    max_leaves=10,
)
_sound = st.just({"components": {"x": _DOUBLE}, "inputs": {"value": "x.value"}, "outputs": {"value": "x.value"}})
_documents = st.builds(
    lambda sound, change: {**sound, **change},
    _sound,
    st.dictionaries(st.sampled_from(_YAML_WORDS), _yaml_values, max_size=3),
)
yaml_texts = st.one_of(
    _documents.map(yaml.safe_dump),
    _yaml_values.map(yaml.safe_dump),
    st.text(alphabet="abx:-[]{}&*!|>?'\"#%@ \n\t<=,0123~", max_size=60),
    st.builds(
        lambda text, at, more: text[:at] + more + text[at:], _documents.map(yaml.safe_dump), st.integers(0, 200), _texts
    ),
)

_headers = st.one_of(
    st.builds(
        lambda name, file: (
            f'Content-Disposition: form-data; name="{name}"' + (f'; filename="{file}"' if file is not None else "")
        ),
        st.one_of(st.sampled_from(["files", "picture", "note", "tags", "facts", "count", "file", "purpose"]), names),
        st.one_of(st.none(), names),
    ),
    st.text(max_size=30),
    st.just("Content-Type: text/plain; charset=nonsense"),
)
_parts = st.builds(
    lambda headers, content: "\r\n".join(headers).encode("utf-8", "replace") + b"\r\n\r\n" + content,
    st.lists(_headers, max_size=3),
    st.one_of(st.binary(max_size=60), st.sampled_from([b'{"a": 1}', b"[1]", b"1", b"user_data", b"--x", b"x" * 3000])),
)
forms = st.builds(
    lambda parts, end, junk: b"".join(b"--x\r\n" + part + b"\r\n" for part in parts) + end + junk,
    st.lists(_parts, max_size=4),
    st.sampled_from([b"--x--\r\n", b"--x--", b"", b"--x\r\n", b"--y--\r\n"]),
    st.binary(max_size=6),
)
form_types = st.sampled_from(
    [
        "multipart/form-data; boundary=x",
        "multipart/form-data; boundary=x; charset=utf-16",
        "multipart/form-data",
        'multipart/form-data; boundary=""',
        "application/x-www-form-urlencoded",
    ]
)

chunks = st.lists(
    st.text(max_size=20).filter(lambda text: text.isprintable() or "\n" in text or "\r" in text), max_size=6
)

_LINES = [
    b"GET / HTTP/1.1",
    b"POST /chunks/run HTTP/1.1",
    b"POST /v1/responses HTTP/1.0",
    b"GET /status HTTP/9.9",
    b"PRI * HTTP/2.0",
]
_RAW_HEADERS = [
    b"Host: x",
    b"Content-Length: 5",
    b"Content-Length: -1",
    b"Content-Length: 99999999999999999999",
    b"Transfer-Encoding: chunked",
    b"Expect: 100-continue",
    b"Connection: upgrade\r\nUpgrade: websocket",
    b"Content-Type: application/json",
    b"Authorization: Bearer x",
    b"X-Request-Id: \x01\x02",
    b"Range: bytes=0-",
]
raw_requests = st.builds(
    lambda line, headers, body: b"\r\n".join([line, *headers, b"", body]),
    st.one_of(st.sampled_from(_LINES), st.binary(max_size=20)),
    st.lists(st.one_of(st.sampled_from(_RAW_HEADERS), st.binary(max_size=20)), max_size=5),
    st.one_of(
        st.binary(max_size=30), st.sampled_from([b"5\r\n[1,2]\r\n0\r\n\r\n", b"ffffffffffffffffff\r\n", b'{"a":1}'])
    ),
)
