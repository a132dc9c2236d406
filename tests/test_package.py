from __future__ import annotations

import ast
import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest
import starlette.datastructures
import starlette.exceptions
import starlette.requests
import starlette.responses

import hayhooks

# What wrappers and programs import from upstream's package, durable execution left out (contract 7.1).
UPSTREAM = """
AsyncPipeline BasePipelineWrapper Pipeline PipelineEvent SSEStream YAMLPipelineWrapper async_streaming_generator
chat_messages_from_openai_response coerce_pipeline_inputs create_app default_on_pipeline_end default_on_tool_call_end
default_on_tool_call_start get_input_files get_last_user_input_text get_last_user_message is_user_message log run_app
streaming_generator
""".split()


def run(code: str) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", hayhooks.__all__)
def test_public_name_can_be_imported(name: str) -> None:
    assert getattr(hayhooks, name) is not None


# Of the larger modules, which import each other in an order of their own.
@pytest.mark.parametrize("name", ["Hayhooks", "BasePipelineWrapper", "Client", "streaming_generator", "Settings"])
def test_public_name_can_be_imported_first(name: str) -> None:
    assert run(f"from hayhooks import {name}; print({name}.__name__)") == f"{name}\n"


def test_every_name_of_upstream_is_public() -> None:
    assert set(UPSTREAM) - set(hayhooks.__all__) == set()


def test_import_of_the_package_loads_nothing_heavy() -> None:
    heavy = "haystack starlette pydantic requests uvicorn loguru anyio httpx numpy dotenv".split()

    assert run(f"import sys, hayhooks; print([name for name in {heavy} if name in sys.modules])") == "[]\n"


def test_wrapper_of_one_name_loads_no_server() -> None:
    code = "import sys; from hayhooks import BasePipelineWrapper; print([n for n in {} if n in sys.modules])"

    assert run(code.format("['haystack', 'starlette', 'uvicorn', 'requests']")) == "[]\n"


def test_import_changes_no_log_and_reads_no_settings() -> None:
    code = (
        "import os, logging; os.environ['HAYHOOKS_PORT'] = 'nonsense'; before = dict(os.environ);"
        "import hayhooks; from hayhooks import *;"
        "print(before == dict(os.environ), logging.getLogger('uvicorn').handlers)"
    )

    assert run(code) == "True []\n"


def test_all_names_are_listed_for_type_checkers_too() -> None:
    tree = ast.parse(Path(hayhooks.__file__).read_text(encoding="utf-8"))
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    declared = [alias.asname for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assigned = [
        target.id
        for node in block.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]

    assert sorted([*map(str, declared), *assigned]) == sorted(hayhooks.__all__)
    assert hayhooks.__all__ == sorted(hayhooks.__all__)


def test_names_are_listed_by_dir() -> None:
    assert set(hayhooks.__all__) | {"__version__"} <= set(dir(hayhooks))


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="^module 'hayhooks' has no attribute 'nope'$"):
        _ = hayhooks.nope
    with pytest.raises(ImportError):
        exec("from hayhooks import nope")


def test_names_of_starlette_are_starlettes() -> None:
    responses = ["FileResponse", "JSONResponse", "Response", "StreamingResponse"]

    assert hayhooks.UploadFile is starlette.datastructures.UploadFile
    assert hayhooks.Headers is starlette.datastructures.Headers
    assert hayhooks.HTTPException is starlette.exceptions.HTTPException
    assert hayhooks.Request is starlette.requests.Request
    assert [getattr(hayhooks, name) for name in responses] == [getattr(starlette.responses, n) for n in responses]


def test_async_pipeline_is_haystacks_pipeline() -> None:
    assert hayhooks.AsyncPipeline is hayhooks.Pipeline


def test_version_is_that_of_the_distribution() -> None:
    assert hayhooks.__version__ == importlib.metadata.version("hayhooks")


def test_package_is_typed() -> None:
    assert Path(hayhooks.__file__).with_name("py.typed").is_file()
