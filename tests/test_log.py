"""What `configure()` writes. In processes of their own, because the log is one per process."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from textwrap import dedent

import pytest

from hayhooks import log

TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"


def stderr_of(code: str, **variables: str) -> str:
    """Run code that has `log` and `configure`, and return what it writes to stderr."""
    head = (
        "import logging\nfrom hayhooks.request import CurrentRequest, begin_request\n"
        "from hayhooks.logger import configure, log\n"
    )
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", head + dedent(code)],
        env={**environment, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ""
    return done.stderr


def lines_of(code: str) -> list[str]:
    """Return the lines without their time."""
    found = stderr_of(code).splitlines()
    assert all(re.match(rf"{TIME} \| ", line) for line in found), found
    return [line.partition(" | ")[2] for line in found]


def test_configured_log_writes_one_line_per_record() -> None:
    assert lines_of("configure(); log.info('hello {}', 'é'); log.success('done'); log.critical('fire')") == [
        "INFO     | hello é",
        "SUCCESS  | done",
        "CRITICAL | fire",
    ]


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("TRACE", ["TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR"]),
        ("info", ["INFO", "SUCCESS", "WARNING", "ERROR"]),
        ("WARNING", ["WARNING", "ERROR"]),
    ],
)
def test_records_below_the_level_are_left_out(level: str, expected: list[str]) -> None:
    code = f"configure(level={level!r})\n" + "\n".join(
        f"log.{name}('x')" for name in ("trace", "debug", "info", "success", "warning", "error")
    )

    assert [line.split()[0] for line in lines_of(code)] == expected


def test_level_is_info_unless_given() -> None:
    assert lines_of("configure(); log.debug('x'); log.info('y')") == ["INFO     | y"]


def test_what_is_bound_stands_at_the_end() -> None:
    assert lines_of("configure(); log.bind(a=1, b='x').info('hello'); log.info('after')") == [
        "INFO     | hello | a=1, b='x'",
        "INFO     | after",
    ]


def test_request_id_stands_before_the_message() -> None:
    code = """
    configure()
    begin_request(CurrentRequest("0123abcd", {}))
    log.info("one")
    log.bind(request_id="mine", a=1).info("two")
    """

    assert lines_of(code) == ["INFO     | 0123abcd | one", "INFO     | mine | two | a=1"]


def test_verbose_lines_tell_the_place() -> None:
    code = """
    def work():
        log.info("hello")

    configure(format="verbose")
    begin_request(CurrentRequest("0123abcd", {}))
    work()
    """

    assert lines_of(code) == ["INFO     | 0123abcd | __main__:work:6 | hello"]


def test_records_of_named_loggers_join_ours() -> None:
    code = """
    configure(intercepted=["uvicorn", "other"])
    logging.getLogger("uvicorn").info("up %s", 1)
    logging.getLogger("uvicorn.error").warning("child")
    logging.getLogger("uvicorn").debug("left out")
    logging.getLogger("other").log(25, "between levels")
    logging.getLogger("third").info("left alone")
    """

    assert lines_of(code) == ["INFO     | up 1", "WARNING  | child", "Level 25 | between levels"]


def test_place_of_a_joined_record_is_where_it_was_logged() -> None:
    code = """
    def work():
        logging.getLogger("uvicorn").info("up")

    configure(format="verbose", intercepted=["uvicorn"])
    work()
    """

    assert lines_of(code) == ["INFO     | __main__:work:6 | up"]


def test_traceback_shows_no_values_of_variables() -> None:
    code = """
    configure(intercepted=["other"])
    def work(password):
        return 1 / 0
    for record in (log.exception, logging.getLogger("other").exception):
        try:
            work("secret")
        except ZeroDivisionError:
            record("failed")
    """
    text = stderr_of(code)

    assert (
        text.count("Traceback (most recent call last):\n") == text.count("ZeroDivisionError: division by zero\n") == 2
    )
    assert "secret'" not in text


@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}, {"NO_COLOR": "1", "FORCE_COLOR": "1"}])
def test_lines_have_no_colours_outside_a_terminal_or_where_they_are_unwanted(variables: dict[str, str]) -> None:
    assert "\x1b" not in stderr_of("configure(); log.info('hello')", **variables)


def test_message_that_looks_like_markup_stays_as_it_is() -> None:
    assert lines_of("configure(); log.info('<red>a</red> {b}'); log.bind(a='<b>{c}').info('x')") == [
        "INFO     | <red>a</red> {b}",
        "INFO     | x | a='<b>{c}'",
    ]


def test_configuring_twice_writes_once() -> None:
    assert lines_of("configure(); configure(); log.info('hello')") == ["INFO     | hello"]


def test_details_of_haystack_are_left_out() -> None:
    code = """
    configure(level="DEBUG", intercepted=["haystack"])
    logging.getLogger("haystack.core.pipeline.pipeline").info("Running component x")
    logging.getLogger("haystack.core").warning("careful")
    """

    assert lines_of(code) == ["WARNING  | careful"]


def test_package_is_silent_until_configured() -> None:
    code = """
    from hayhooks import BasePipelineWrapper, Hayhooks
    class Wrapper(BasePipelineWrapper):
        def setup(self): pass
        def run_api(self) -> str: return ""
    Hayhooks().deploy("p", Wrapper())
    """

    assert stderr_of(code) == ""


def test_log_takes_sinks_of_the_user() -> None:
    written: list[str] = []
    sink = log.add(lambda message: written.append(str(message)), format="{message}")
    log.info("hello")
    log.remove(sink)

    assert written == ["hello\n"]


def test_json_lines_hold_the_request_and_what_is_bound() -> None:
    code = """
    configure(format="json")
    request = CurrentRequest("0123abcd", {})
    begin_request(request)
    log.bind(a=[1], b=object).info("hello\\n{}", "é")
    request.key, request.pipeline, request.revision = "bob", "qa", 3
    log.warning("x")
    """
    first, second = [json.loads(line) for line in stderr_of(code).splitlines()]

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", first.pop("time"))
    assert first == {
        "level": "INFO",
        "message": "hello\né",
        "request_id": "0123abcd",
        "key": None,
        "pipeline": None,
        "revision": None,
        "a": [1],
        "b": "<class 'object'>",
        "logger": "__main__",
    }
    assert (second["key"], second["pipeline"], second["revision"]) == ("bob", "qa", 3)


@pytest.mark.parametrize("text", ["a\nERROR | forged", "a\r\x1b[2Jb", "a\u2028b", "{a} {0} <red>", "\udc80"])
def test_no_text_can_break_or_forge_a_line(text: str) -> None:
    code = "configure(format=FORMAT); log.info('{}', TEXT); log.bind(user=TEXT).info(TEXT)".replace("TEXT", repr(text))

    assert len(stderr_of(code.replace("FORMAT", "'default'")).split("\n")) == 3
    written = [json.loads(line) for line in stderr_of(code.replace("FORMAT", "'json'")).splitlines()]
    assert [line["message"] for line in written] == [text, text]
    assert "\x1b" not in stderr_of(code.replace("FORMAT", "'default'"))


FAILING = """
from hayhooks import BasePipelineWrapper, Hayhooks
from starlette.testclient import TestClient
class Wrapper(BasePipelineWrapper):
    def setup(self): pass
    def run_api(self, text: str) -> str:
        raise ValueError("the prompt was " + text)
configure({})
app = Hayhooks()
app.deploy("p", Wrapper())
TestClient(app).post("/p/run", json={{"text": "secret"}})
"""


def test_a_failure_of_user_code_is_told_by_its_type_and_place() -> None:
    text = stderr_of(FAILING.format(""))
    [line] = [line for line in text.splitlines() if "ERROR" in line]

    assert line.endswith("Pipeline execution failed: ValueError | at='<string>:10 in run_api'")
    assert "secret" not in text


@pytest.mark.parametrize("options", ["level='DEBUG'", "tracebacks=True", "level='DEBUG', format='json'"])
def test_its_text_and_traceback_are_there_for_who_wants_them(options: str) -> None:
    text = stderr_of(FAILING.format(options))

    assert "Traceback (most recent call last):" in text
    assert "ValueError: the prompt was secret" in text


def test_json_tells_the_type_and_place_of_a_failure() -> None:
    lines = [json.loads(line) for line in stderr_of(FAILING.format("format='json'")).splitlines()]
    [failed] = [line for line in lines if line["level"] == "ERROR"]
    [access] = [line for line in lines if line.get("method")]

    assert (failed["error"], failed["at"], failed["pipeline"]) == ("ValueError", "<string>:10 in run_api", "p")
    assert "traceback" not in failed
    assert (access["method"], access["path"], access["status"]) == ("POST", "/p/run", 500)
    assert access["ms"] >= access["first_byte_ms"] > 0
    assert access["request_id"] == failed["request_id"]


def test_changes_of_what_is_served_are_audited() -> None:
    code = """
    from hayhooks import BasePipelineWrapper, Hayhooks
    class Wrapper(BasePipelineWrapper):
        def setup(self): pass
        def run_api(self) -> str: return ""
    configure(format="json")
    app = Hayhooks()
    app.deploy("p", Wrapper())
    request = CurrentRequest("0123abcd", {})
    request.key = "bob"
    begin_request(request)
    for change in (lambda: app.deploy("p", Wrapper()), lambda: app.rollback("p"), lambda: app.undeploy("p")):
        try: change()
        except Exception: pass
    """
    lines = [json.loads(line) for line in stderr_of(code).splitlines()]

    assert [
        (line["action"], line["subject"], line["result"], line["by"], line["request_id"])
        for line in lines
        if line.get("audit")
    ] == [
        ("deploy", "p", "done", "-", None),
        ("deploy", "p", "PipelineExists", "bob", "0123abcd"),
        ("rollback", "p", "RevisionNotFound", "bob", "0123abcd"),
        ("undeploy", "p", "done", "bob", "0123abcd"),
    ]


def test_user_code_that_closes_stderr_ends_the_log_and_nothing_else() -> None:
    code = """
    import os, sys
    configure()
    log.info("before")
    kept = os.dup(2)
    sys.stderr.close()
    log.info("lost")
    os.write(kept, b"goes on")
    os._exit(0)
    """

    lines = stderr_of(code).splitlines()

    assert [line.partition(" | ")[2] for line in lines[:-1]] == ["INFO     | before"]
    assert lines[-1] == "goes on"
