from __future__ import annotations

import re

import pytest

from hayhooks import errors
from hayhooks.errors import HayhooksError, PipelineExists, PipelineNotFound, PipelinePathError

LINE = re.compile(r"^ {4}(?P<lead>[│├└─ ]*)(?P<name>[A-Z]\w+) +(?P<status>\d{3})\b", re.MULTILINE)


def drawn_tree() -> dict[str, tuple[str | None, int]]:
    """Return the base and the status of each class, as the docstring of the module draws them."""
    tree: dict[str, tuple[str | None, int]] = {}
    path: list[str] = []
    for match in LINE.finditer(errors.__doc__ or ""):
        depth = len(match["lead"]) // 4
        path[depth:] = [match["name"]]
        tree[match["name"]] = (path[depth - 1] if depth else None, int(match["status"]))
    return tree


def real_tree() -> dict[str, tuple[str | None, int]]:
    classes = [found for found in vars(errors).values() if isinstance(found, type) and issubclass(found, HayhooksError)]
    return {
        found.__name__: (None if found is HayhooksError else found.__bases__[0].__name__, found.status_code)
        for found in classes
    }


def test_the_tree_in_the_docstring_is_the_real_one() -> None:
    assert drawn_tree() == real_tree()


def test_every_class_has_a_docstring_and_a_code() -> None:
    classes = [getattr(errors, name) for name in real_tree()]

    assert [found.__name__ for found in classes if not found.__doc__ or not re.fullmatch("[a-z_]+", found.code)] == []


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        pytest.param(PipelineNotFound("qa"), 404, "Pipeline 'qa' not found", id="not-found"),
        pytest.param(PipelineExists("qa"), 409, "Pipeline 'qa' already exists", id="exists"),
        pytest.param(HayhooksError("text"), 500, "text", id="root"),
    ],
)
def test_the_text_of_an_error_is_what_a_client_gets(error: HayhooksError, status: int, text: str) -> None:
    assert (error.status_code, str(error)) == (status, text)


def test_a_refused_name_is_a_value_error_for_validators() -> None:
    assert issubclass(PipelinePathError, ValueError)
