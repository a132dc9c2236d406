from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.cli.conftest import Done, environment
from tests.scripted_server import Answer, scripted_server


@pytest.fixture
def run(server: str, hayhooks: Callable[..., Done]) -> Callable[..., Done]:
    return lambda *arguments: hayhooks("pipeline", "run", *arguments, "--url", server)


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        pytest.param("arr [red]x[/red] :smile: [/nope]", "arr [red]x[/red] :smile: [/nope]\n", id="text-as-it-is"),
        pytest.param("two\nlines\n", "two\nlines\n", id="no-second-line-end"),
        pytest.param("é\N{HOT BEVERAGE}", "é\N{HOT BEVERAGE}\n", id="unicode"),
        pytest.param("", "", id="empty"),
        pytest.param('{"é": [1, null]}', '{\n  "é": [\n    1,\n    null\n  ]\n}\n', id="json"),
        pytest.param("-1.5", "-1.5\n", id="number"),
        pytest.param("true", "true\n", id="boolean"),
        pytest.param('"quoted"', "quoted\n", id="json-text"),
        pytest.param("NaN", "NaN\n", id="not-json"),
        pytest.param("a=b", "a=b\n", id="equals-sign"),
    ],
)
def test_result_is_printed_untouched(run: Callable[..., Done], value: str, printed: str) -> None:
    assert run("echo", "-p", f"value={value}") == Done(0, printed, "")


def test_json_that_the_pipeline_wants_as_text_is_sent_as_typed(run: Callable[..., Done]) -> None:
    done = run("echo", "-p", "text=1.10", "-p", "texts=007", "-p", "n=7")
    assert json.loads(done.out) == ["1.10", "007", 7]
    assert json.loads(run("echo", "-p", "texts=7").out) == ["", "7", 0]
    assert json.loads(run("echo", "-p", 'texts=["7"]').out) == ["", ["7"], 0]


@pytest.mark.parametrize(
    ("name", "text", "arrived"),
    [
        ("literal", "1", "'1'"),
        ("enum", "1", "<Digit.ONE: '1'>"),
        ("number_enum", "1", "<Number.ONE: 1>"),
        ("optional_literal", "1", "'1'"),
        ("optional_literal", "null", "None"),
        ("mixed_literal", "1", "1"),
        ("path", "1", "PosixPath('1')"),
        ("raw", "1", "b'1'"),
        ("decimal", "1.10", "Decimal('1.10')"),
        ("decimal", "0.1", "Decimal('0.1')"),
        ("optional_text", "null", "None"),
        ("optional_text", "true", "'true'"),
        ("number_or_text", "1", "1"),
        ("duration", "5", "datetime.timedelta(seconds=5)"),
        ("flag", "1", "True"),
        ("nested", '{"n": 1.0}', "{'n': 1.0}"),
    ],
)
def test_param_arrives_as_the_type_of_the_parameter(
    run: Callable[..., Done], name: str, text: str, arrived: str
) -> None:
    assert run("types", "-p", f"{name}={text}") == Done(0, f"{name}={arrived}\n", "")


def test_server_without_schemas_is_asked_again_with_what_was_typed(hayhooks: Callable[..., Done]) -> None:
    refusal = {"detail": [{"type": "string_type", "loc": ["body", "text"], "msg": "Input should be a valid string"}]}
    with scripted_server() as server:
        server.answers = [
            Answer(404, b'{"detail":"Not Found"}'),
            Answer(422, json.dumps(refusal).encode()),
            Answer(body=b'{"result":"done"}'),
        ]
        done = hayhooks("pipeline", "run", "qa", "-p", "text=1.10", "-p", "n=7", "--url", server.url)

    assert done == Done(0, "done\n", "")
    assert [f"{asked.method} {asked.path}" for asked in server.asked] == ["GET /qa/schema", *["POST /qa/run"] * 2]
    assert [asked.json for asked in server.asked[1:]] == [{"text": 1.1, "n": 7}, {"text": "1.10", "n": 7}]


def test_params_that_read_as_text_need_no_schema(hayhooks: Callable[..., Done]) -> None:
    with scripted_server() as server:
        hayhooks("pipeline", "run", "qa", "-p", "text=a", "-p", "n:=7", "--url", server.url)

    assert [(asked.path, asked.json) for asked in server.asked] == [("/qa/run", {"text": "a", "n": 7})]


def test_json_that_is_meant_as_json_is_not_sent_again(run: Callable[..., Done]) -> None:
    done = run("echo", "-p", "text:=1", "-p", "n=many")
    assert done == Done(
        1,
        "",
        "Error: The request is not valid (HTTP 422)\n"
        "  text: Input should be a valid string\n"
        "  n: Input should be a valid integer, unable to parse string as an integer\n",
    )


def test_a_later_param_wins_and_is_sent_as_it_was_typed_last(run: Callable[..., Done]) -> None:
    assert json.loads(run("echo", "-p", "text=1", "-p", 'text:="x"', "-p", "n=1", "-p", "n=2").out) == ["x", "", 2]


def test_params_are_merged_into_the_json_object(run: Callable[..., Done]) -> None:
    done = run("echo", "--json", '{"text": "a", "n": 1}', "-p", "n=2")
    assert json.loads(done.out) == ["a", "", 2]


def test_json_is_read_from_a_file(run: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "body.json").write_text('{"text": "é"}', encoding="utf-8")
    assert json.loads(run("echo", "--json", "@body.json").out) == ["é", "", 0]


def test_json_is_read_from_stdin(run: Callable[..., Done], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO('{"text": "é"}'.encode())))
    assert json.loads(run("echo", "--json", "-").out) == ["é", "", 0]


@pytest.mark.parametrize("more", [(), ("--stream",)])
@pytest.mark.parametrize("kind", ["application/json", "text/plain", "text/event-stream"])
def test_raw_is_exact_to_the_byte(hayhooks: Callable[..., Done], kind: str, more: tuple[str, ...]) -> None:
    with scripted_server() as server:
        server.answers = [Answer(body=[b'{"result":\r\n ', b"[1]}"], headers={"Content-Type": kind})]
        done = hayhooks("pipeline", "run", "qa", "--raw", *more, "--url", server.url)
    assert done == Done(0, '{"result":\r\n [1]}', "")


def test_an_answer_without_result_is_printed_whole(hayhooks: Callable[..., Done]) -> None:
    with scripted_server() as server:
        server.answers = [Answer(body=b'{"replies":["a"]}')]
        done = hayhooks("pipeline", "run", "qa", "--url", server.url)
    assert done == Done(0, '{\n  "replies": [\n    "a"\n  ]\n}\n', "")


def test_bytes_are_printed_as_they_are(server: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hayhooks", "pipeline", "run", "bytes", "--url", server]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, b"\xff\x00\r\n")


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        pytest.param(("tokens",), "[red]é :smile:\nend\n", id="text"),
        pytest.param(("tokens", "-p", "sse=true"), "[red]é :smile:\nend\n", id="events"),
        pytest.param(("echo", "-p", "value=[1]"), "[\n  1\n]\n", id="no-stream"),
    ],
)
def test_stream_prints_the_text(run: Callable[..., Done], arguments: tuple[str, ...], printed: str) -> None:
    assert run("--stream", *arguments) == Done(0, printed, "")


def test_a_stream_that_nobody_asked_for_is_printed_with_a_hint(run: Callable[..., Done]) -> None:
    assert run("tokens") == Done(
        0, "[red]é :smile:\nend\n", "Warning: the answer is a stream; --stream prints it as it arrives.\n"
    )


@pytest.mark.parametrize("sse", ["true", "false"])
def test_a_stream_that_fails_prints_what_came_and_ends_with_1(run: Callable[..., Done], sse: str) -> None:
    done = run("tokens", "-s", "-p", "fail=true", "-p", f"sse={sse}")
    assert (done.code, done.out) == (1, "[red]é :smile:\n")
    assert done.err.startswith("Error: The ")


def test_a_pipeline_that_fails_is_told_with_the_request_id(run: Callable[..., Done]) -> None:
    done = run("echo", "-p", "value=fail")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("Error: Pipeline execution failed")


def test_files_are_uploaded_with_the_inputs(run: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "docs" / "sub" / ".git").mkdir(parents=True)
    (tmp_path / "docs" / "a.txt").write_text("a")
    (tmp_path / "docs" / "sub" / "a.txt").write_text("ab")
    (tmp_path / "docs" / "sub" / ".git" / "config").write_text("no")
    (tmp_path / "docs" / ".hidden").write_text("no")
    (tmp_path / "big.bin").write_bytes(b"\0" * 300_000)

    done = run("form", "-f", "big.bin", "-d", "docs", "-p", "text=1.10", "-p", "n=7", "-p", 'data={"a": [1]}')

    assert json.loads(done.out) == {
        "files": {"big.bin": 300_000, "a.txt": 1, "sub/a.txt": 2},
        "text": "1.10",
        "n": 7,
        "data": {"a": [1]},
    }
    assert (done.code, done.err) == (0, "")


def test_a_refused_upload_is_told_once(run: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    assert run("form", "-f", "a.txt", "-p", "n=many") == Done(
        1,
        "",
        "Error: The request is not valid (HTTP 422)\n"
        "  n: Input should be a valid integer, unable to parse string as an integer\n",
    )


def test_null_is_left_out_of_a_form_unless_it_is_text(run: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    done = run("form", "-f", "a.txt", "-p", "data=null", "-p", "text=null", "-p", "n=1")

    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out) == {"files": {"a.txt": 1}, "text": "null", "n": 1, "data": None}


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("-f", "tree/x.txt", "-d", "tree"), id="file-and-directory"),
        pytest.param(("-d", "tree", "-d", "other"), id="directories"),
        pytest.param(("-f", "tree/x.txt", "-f", "other/x.txt"), id="files"),
    ],
)
def test_two_files_of_one_name_are_not_uploaded(
    hayhooks: Callable[..., Done], tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    for name in ("tree", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.txt").write_text(name)

    assert hayhooks("pipeline", "run", "form", *arguments, "--url", "http://127.0.0.1:9") == Done(
        1, "", "Error: 2 files would be uploaded as 'x.txt'; rename them or run once for each.\n"
    )
