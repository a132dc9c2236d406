from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

import hayhooks.settings
from hayhooks import Settings
from hayhooks.errors import SettingsError
from hayhooks.settings import AppSettings, StartupDeployStrategy

# Of every setting its variable's text, what that means, and the default.
TABLE: dict[str, tuple[str, Any, Any]] = {
    "host": ("0.0.0.0", "0.0.0.0", "localhost"),
    "port": ("8000", 8000, 1416),
    "root_path": ("/ai", "/ai", ""),
    "pipelines_dir": ("some/where", Path("some/where"), Path("pipelines")),
    "additional_python_path": ("shared", "shared", ""),
    "graceful_shutdown_timeout": ("0", 0, 5),
    "show_tracebacks": ("true", True, False),
    "startup_wait": ("0.5", 0.5, 30),
    "files_to_ignore_patterns": (
        "*.txt, *.md",
        ["*.txt", "*.md"],
        ["*.pyc", "*.pyo", "*.pyd", "__pycache__", "*.so", "*.egg", "*.egg-info"],
    ),
    "streaming_components": ("all", "all", ""),
    "yaml_response": ("declared", "declared", "raw"),
    "startup_deploy_strategy": ("sequential", StartupDeployStrategy.SEQUENTIAL, StartupDeployStrategy.PARALLEL),
    "startup_deploy_workers": ("32", 32, 4),
    "run_threads": ("40", 40, 512),
    "max_concurrency": ("4", 4, None),
    "max_queue": ("0", 0, 100),
    "run_timeout": ("0.5", 0.5, None),
    "send_timeout": ("0.5", 0.5, 60),
    "trial_timeout": ("0.5", 0.5, 60),
    "deploy_timeout": ("0.5", 0.5, 600),
    "deploy_wait": ("0.5", 0.5, 60),
    "teardown_timeout": ("0.5", 0.5, 30),
    "shared": ("true", True, False),
    "watch": ("true", True, False),
    "workers_timeout": ("0.5", 0.5, 30),
    "revisions_kept": ("1", 1, 10),
    "max_body_size": ("1000", 1000, 10485760),
    "max_form_size": ("1000", 1000, 104857600),
    "max_form_parts": ("5", 5, 1000),
    "max_upload_size": ("1000", 1000, 536870912),
    "max_header_size": ("2000", 2000, 65536),
    "receive_timeout": ("0.5", 0.5, 60),
    "rate_limit": ("60/minute", "60/minute", ""),
    "rate_limit_storage": ("redis://host:6379", "redis://host:6379", "memory://"),
    "max_streams_per_key": ("5", 5, 0),
    "model_aliases": ("gpt-4o=rag, b=c", {"gpt-4o": "rag", "b": "c"}, {}),
    "responses_kept": ("0", 0, 1000),
    "responses_size": ("1000", 1000, 268435456),
    "responses_lifetime": ("0.5", 0.5, 86400),
    "metrics": ("off", False, True),
    "loop_lag_warning": ("0.5", 0.5, 1),
    "access_log": ("off", False, True),
    "log_level": ("debug", "DEBUG", "INFO"),
    "log_format": ("verbose", "verbose", "default"),
    "intercepted_loggers": ('["a", "b"]', ["a", "b"], ["uvicorn", "uvicorn.error", "uvicorn.access"]),
    "api_keys": ("ci=0123456789abcdef;deploy", SecretStr("ci=0123456789abcdef;deploy"), None),
    "key_file": ("some/keys.json", Path("some/keys.json"), None),
    "deploy": ("OFF", "off", "auto"),
    "allowed_hosts": ("a.example,*.b.example", ["a.example", "*.b.example"], []),
    "cors_allow_origins": ("https://a.example,https://b.example", ["https://a.example", "https://b.example"], []),
    "cors_allow_origin_regex": ("https://.*", "https://.*", None),
    "cors_allow_methods": ("GET", ["GET"], ["*"]),
    "cors_allow_headers": (' ["x-a"]', ["x-a"], ["*"]),
    "cors_allow_credentials": ("1", True, False),
    "cors_expose_headers": ("x-request-id", ["x-request-id"], []),
    "cors_max_age": ("5", 5, 600),
}
ROWS = [pytest.param(name, text, value, id=name) for name, (text, value, _) in TABLE.items()]


@pytest.fixture(autouse=True)
def empty_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No variables of ours, and a working directory without `.env`."""
    for variable in [*os.environ]:
        if variable.upper().startswith("HAYHOOKS_") or variable == "LOG":
            monkeypatch.delenv(variable)
    monkeypatch.chdir(tmp_path)


def test_every_setting_is_in_the_table_and_has_a_description() -> None:
    fields = Settings.model_fields

    assert list(fields) == list(TABLE)
    assert [name for name, field in fields.items() if not (field.description or "").endswith(".")] == []


def test_nothing_given_means_the_defaults() -> None:
    defaults = {name: default for name, (_, _, default) in TABLE.items()}

    assert Settings.load().model_dump() == defaults
    assert Settings().model_dump() == defaults


@pytest.mark.parametrize(("name", "text", "value"), ROWS)
def test_setting_is_read_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, value: object
) -> None:
    monkeypatch.setenv(f"HAYHOOKS_{name.upper()}", text)

    assert Settings.load() == Settings(**{name: value})


@pytest.mark.parametrize(("name", "text", "value"), ROWS)
def test_setting_is_read_from_the_nearest_env_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, value: object
) -> None:
    (tmp_path / ".env").write_text(f"HAYHOOKS_{name.upper()}='{text}'\nOTHER=1\n")
    (tmp_path / "a/b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a/b")

    assert Settings.load() == Settings(**{name: value})
    assert not any(variable.startswith("HAYHOOKS_") or variable == "OTHER" for variable in os.environ)


@pytest.mark.parametrize(("name", "text", "value"), ROWS)
def test_argument_may_be_text_as_well(name: str, text: str, value: object) -> None:
    given: dict[str, Any] = {name: text}
    assert Settings.load(**given) == Settings(**{name: value})


@pytest.mark.parametrize("written", ["ai/v", "/ai/v/", "//ai/v"])
def test_root_path_begins_with_a_slash_and_ends_without(written: str) -> None:
    assert Settings(root_path=written).root_path == "/ai/v"
    assert Settings(root_path="/").root_path == ""


@pytest.mark.parametrize(
    ("argument", "environment", "file", "expected"),
    [
        pytest.param("1", "2", "3", 1, id="argument"),
        pytest.param(None, "2", "3", 2, id="environment"),
        pytest.param(None, None, "3", 3, id="file"),
        pytest.param(None, None, None, 1416, id="default"),
        pytest.param("1", None, None, 1, id="argument-alone"),
        pytest.param(None, "", None, 1416, id="empty-environment"),
        pytest.param(None, None, "", 1416, id="empty-line"),
    ],
)
def test_argument_goes_before_environment_before_file_before_default(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    argument: str | None,
    environment: str | None,
    file: str | None,
    expected: int,
) -> None:
    if environment is not None:
        monkeypatch.setenv("HAYHOOKS_PORT", environment)
    if file is not None:
        (tmp_path / ".env").write_text(f"HAYHOOKS_PORT={file}\n")

    assert Settings.load(port=argument).port == expected


@pytest.mark.parametrize("variable", ["HAYHOOKS_PORT", "hayhooks_port", "Hayhooks_Port"])
def test_case_of_a_variable_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    (tmp_path / ".env").write_text("HAYHOOKS_port=3\n")
    monkeypatch.setenv(variable, "2")

    assert Settings.load().port == 2


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        pytest.param({"HAYHOOKS_ADDITIONAL_PYTHONPATH": "old"}, {"additional_python_path": "old"}, id="path"),
        pytest.param({"LOG": "warning"}, {"log_level": "WARNING"}, id="log"),
        pytest.param(
            {"HAYHOOKS_ADDITIONAL_PYTHONPATH": "old", "HAYHOOKS_ADDITIONAL_PYTHON_PATH": "new"},
            {"additional_python_path": "new"},
            id="both-paths",
        ),
        pytest.param({"LOG": "WARNING", "HAYHOOKS_LOG_LEVEL": "ERROR"}, {"log_level": "ERROR"}, id="both-levels"),
        pytest.param({"HAYHOOKS_NO_SUCH_SETTING": "1", "PORT": "1"}, {}, id="unknown"),
    ],
)
@pytest.mark.parametrize("in_file", [True, False], ids=["file", "environment"])
def test_older_spelling_counts_where_the_usual_one_is_not_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_file: bool, variables: dict[str, str], expected: dict[str, Any]
) -> None:
    if in_file:
        (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    else:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    assert Settings.load() == Settings(**expected)


def test_given_env_file_is_read_in_place_of_the_nearest(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("HAYHOOKS_PORT=1\nHAYHOOKS_HOST=nearest\n")
    (tmp_path / "other.env").write_text("HAYHOOKS_PORT=2\n")

    assert Settings.load(env_file="other.env") == Settings.load(env_file=tmp_path / "other.env") == Settings(port=2)


def test_missing_env_file_is_an_error() -> None:
    with pytest.raises(SettingsError, match=r"^The settings file 'nope\.env' does not exist\.$"):
        Settings.load(env_file="nope.env")


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("port", "many", "Input should be a valid integer, unable to parse string as an integer"),
        ("port", "65536", "Input should be less than or equal to 65535"),
        ("port", "-1", "Input should be greater than or equal to 0"),
        ("graceful_shutdown_timeout", "301", "Input should be less than or equal to 300"),
        ("show_tracebacks", "perhaps", "Input should be a valid boolean, unable to interpret input"),
        ("startup_deploy_strategy", "fast", "Input should be 'parallel' or 'sequential'"),
        ("startup_deploy_workers", "0", "Input should be greater than or equal to 1"),
        ("startup_deploy_workers", "33", "Input should be less than or equal to 32"),
        ("run_threads", "0", "Input should be greater than or equal to 1"),
        ("revisions_kept", "0", "Input should be greater than or equal to 1"),
        ("log_level", "LOUD", "Input should be 'TRACE', 'DEBUG', "),
        ("deploy", "perhaps", "Input should be 'auto', 'on' or 'off'"),
        ("log_format", "xml", "Input should be 'default', 'verbose' or 'json'"),
        ("cors_allow_origins", '["a"', "Value error, Expecting ',' delimiter"),
        ("cors_allow_methods", "[1]", "Input should be a valid string"),
        ("cors_max_age", "1\n2", "Input should be a valid integer"),
    ],
)
def test_bad_value_is_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, reason: str
) -> None:
    variable = f"HAYHOOKS_{name.upper()}"
    monkeypatch.setenv(variable, text)
    with pytest.raises(SettingsError) as raised:
        Settings.load()
    message = str(raised.value)

    assert message.startswith(f"{variable} cannot be ")
    assert reason in message
    assert "\n" not in message


def test_bad_value_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAYHOOKS_PORT", "many")
    with pytest.raises(SettingsError) as raised:
        Settings.load()

    assert str(raised.value) == (
        "HAYHOOKS_PORT cannot be 'many': Input should be a valid integer, unable to parse string as an integer."
    )


def test_bad_value_of_an_older_spelling_names_that_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG", "LOUD")
    with pytest.raises(SettingsError, match="^LOG cannot be 'LOUD': "):
        Settings.load()


def test_unknown_setting_is_refused() -> None:
    with pytest.raises(ValidationError):
        Settings(prot=1)  # type: ignore[call-arg]
    with pytest.raises(SettingsError, match="^HAYHOOKS_PROT cannot be 1: "):
        Settings.load(prot=1)


def test_settings_do_not_change() -> None:
    settings = Settings()
    with pytest.raises(ValidationError):
        settings.port = 1  # type: ignore[misc]


def test_settings_given_in_code_read_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAYHOOKS_PORT", "nonsense")

    assert Settings().port == 1416


def test_upstream_names_are_there() -> None:
    code = (
        "import hayhooks.settings as s; assert s.settings is s.settings; assert isinstance(s.settings, s.AppSettings);"
        "print(s.settings.port)"
    )
    environment = {**os.environ, "HAYHOOKS_PORT": "7", "PYTHONPATH": os.pathsep.join(sys.path)}
    # In a process of its own, because the object is kept.
    shown = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)

    assert AppSettings is Settings
    assert shown.stdout == "7\n"
    with pytest.raises(AttributeError, match="^module 'hayhooks.settings' has no attribute 'nope'$"):
        _ = hayhooks.settings.nope
