"""What `/pipelines` tells of the saved revisions, and the way back to them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from hayhooks import BasePipelineWrapper, Hayhooks
from tests.conftest import WritePipeline, wrapper_source
from tests.deploy.disk import DOUBLE, start, tree, version

ALL = """
def run_api(self, value: int = 1) -> str: return "ran" if value else 1 / 0
def run_chat_completion(self, model, messages, body):
    return (word for word in ("a", "b")) if body.get("stream") else "said"
def run_response(self, model, input_items, body): return "responded"
def run_embedding(self, model, input, body): return [[1.0] for _ in input]
"""


def deploy(client: TestClient, text: str, **more: Any) -> dict[str, Any]:
    body = {"name": "qa", "files": version(text), "overwrite": True, **more}
    answer: dict[str, Any] = client.post("/deploy_files", json=body).json()
    return answer


def rollback(client: TestClient, body: Any = None, name: str = "qa") -> tuple[int, Any]:
    response = client.post(f"/pipelines/{name}/rollback", json=body)
    return response.status_code, response.json()


def run(client: TestClient, name: str = "qa") -> tuple[Any, str | None]:
    response = client.post(f"/{name}/run", json={})
    return response.json().get("result"), response.headers.get("x-hayhooks-revision")


def listed(client: TestClient, name: str = "qa") -> list[dict[str, Any]]:
    """The saved revisions without what no test can know."""
    revisions = client.get(f"/pipelines/{name}/revisions").json()["revisions"]
    return [{key: entry[key] for key in entry if key not in ("created", "published", "digest")} for entry in revisions]


def entry(number: int, size: int, *, current: bool = False, **more: Any) -> dict[str, Any]:
    facts = {"kind": "files", "size": size, "description": None, "params": None, "author": None, "message": None}
    return {"revision": number, "current": current, **facts, **more}


def success(number: int | None) -> tuple[int, Any]:
    answer = {"name": "qa", "success": True, "endpoint": "/qa/run"}
    return 200, answer if number is None else answer | {"revision": number}


def test_each_saved_deploy_is_a_numbered_revision_with_what_was_said_of_it(client: TestClient) -> None:
    answers = [
        deploy(client, "v1"),
        deploy(client, "v2", message="Second\nline é", description="About it."),
        deploy(client, "v1"),
    ]
    size = len(version("v1")["pipeline_wrapper.py"])

    assert [answer["revision"] for answer in answers] == [1, 2, 1]
    assert listed(client) == [
        entry(2, size, message="Second\nline é", description="About it."),
        entry(1, size, current=True),
    ]
    [first, second] = client.get("/pipelines/qa/revisions").json()["revisions"]
    assert (len(first["digest"]), first["digest"] == second["digest"]) == (12, False)


def test_a_deploy_of_known_content_keeps_what_is_said_of_it_now(app: Hayhooks, client: TestClient) -> None:
    def facts() -> list[Any]:
        revisions = client.get("/pipelines/qa/revisions").json()["revisions"]
        return [[each[key] for key in ("created", "published", "author", "message")] for each in revisions]

    app.deploy("qa", version("v1"), save=True, message="first", author="ada")
    [[created, published, *_]] = facts()
    app.deploy("qa", version("v1"), save=True, overwrite=True, message="again")
    [[still, later, *said]] = facts()
    app.deploy("qa", version("v1"), save=True, overwrite=True)

    assert (created < published < later, still == created, said) == (True, True, [None, "again"])
    assert facts()[0][3] == "again"


def test_a_deploy_that_fails_changes_nothing_of_what_was_said(client: TestClient) -> None:
    source = wrapper_source("def run_api(self) -> int: return 1\ndef selftest(self): return self.fine").replace(
        "pass", "from pathlib import Path; self.fine = not Path(__file__).parent.with_name('bad').exists()"
    )
    body = {"name": "qa", "files": {"pipeline_wrapper.py": source}, "overwrite": True}
    client.post("/deploy_files", json={**body, "message": "fine"})
    [first] = client.get("/pipelines/qa/revisions").json()["revisions"]
    bad = app_of(client).store.revisions.directory / "qa/bad"
    bad.touch()

    assert client.post("/deploy_files", json={**body, "message": "broken"}).status_code == 422
    assert client.get("/pipelines/qa/revisions").json()["revisions"] == [first]


def app_of(client: TestClient) -> Any:
    return client.app


def test_what_is_undeployed_is_listed_when_all_is_asked_for(client: TestClient) -> None:
    deploy(client, "v1")
    deploy(client, "v1", name="other")
    client.post("/undeploy/qa")
    shown = client.get("/pipelines").json()["pipelines"]

    assert [each["name"] for each in shown] == ["other"]
    assert client.get("/pipelines?all=false").json()["pipelines"] == shown
    assert client.get("/pipelines?all=true").json()["pipelines"] == [*shown, {"name": "qa", "state": "Undeployed"}]
    assert client.get("/pipelines?all=x").status_code == 422


def test_an_author_is_kept_with_a_revision(app: Hayhooks, client: TestClient) -> None:
    app.deploy("qa", version("v1"), save=True, author="ci", message="why")

    assert [(each["author"], each["message"]) for each in listed(client)] == [("ci", "why")]


def test_equal_content_with_another_description_is_another_revision(client: TestClient) -> None:
    assert [deploy(client, "v1", description=text)["revision"] for text in ("a", "b", "a")] == [1, 2, 1]


def test_pipelines_are_listed_with_their_routes(client: TestClient, app: Hayhooks) -> None:
    deploy(client, "v1")
    app.deploy("unsaved", version("x"))
    described = {
        "type": "unknown",
        "execution_mode": "request-bound",
        "state": "Loaded",
        "description": "",
        "capabilities": ["run_api", "mcp_eligible"],
    }

    def routes(name: str) -> list[str]:
        return [f"/{name}/{route}" for route in ("run", "chat/completions", "chat", "schema", "example")]

    saved = {"name": "qa", **described, "revision": 1, "endpoints": routes("qa")}

    assert client.get("/pipelines").json() == {
        "pipelines": [saved, {"name": "unsaved", **described, "revision": None, "endpoints": routes("unsaved")}]
    }
    assert client.get("/pipelines/qa").json() == {
        **saved,
        "limits": {"max_concurrency": None, "max_queue": 100, "timeout": None},
        "load": {"running": 0, "queued": 0},
        "revisions": client.get("/pipelines/qa/revisions").json()["revisions"],
    }
    assert client.get("/pipelines/unsaved").json()["revisions"] == []


def test_the_files_of_a_revision_are_text_or_base64_as_a_deploy_takes_them(client: TestClient) -> None:
    files = {
        **version("v1"),
        "data/b.bin": {"base64": "//4A"},
        ".hidden/.x": "hidden",
        "empty": "",
        "crlf": "a\r\nb",
    }
    client.post("/deploy_files", json={"name": "qa", "files": files})
    shown = client.get("/pipelines/qa/revisions/1").json()

    assert shown["files"] == files
    assert {key: shown[key] for key in ("name", "revision", "current")} == {
        "name": "qa",
        "revision": 1,
        "current": True,
    }
    again = client.post("/deploy_files", json={"name": "qa", "files": shown["files"], "overwrite": True}).json()
    assert again["revision"] == 1


def test_the_file_of_a_yaml_revision_has_the_name_of_the_pipeline(client: TestClient) -> None:
    client.post("/deploy-yaml", json={"name": "calc", "source_code": DOUBLE})

    assert client.get("/pipelines/calc/revisions/1").json()["files"] == {"calc.yml": DOUBLE}
    assert listed(client, "calc") == [entry(1, len(DOUBLE), current=True, kind="yaml")]


@pytest.mark.parametrize("path", ["", "/revisions", "/revisions/1"])
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        pytest.param("nope", "nope", id="unknown"),
        pytest.param("%2e%2e", "..", id="dots"),
        pytest.param("a%00b", "a\0b", id="nul"),
        pytest.param("..%5Cqa", "..\\qa", id="backslash"),
        pytest.param("x" * 300, "x" * 300, id="long"),
        pytest.param("%0a", "\n", id="line-end"),
        pytest.param("{x}", "{x}", id="braces"),
    ],
)
def test_an_unknown_or_odd_name_is_404(client: TestClient, name: str, shown: str, path: str) -> None:
    deploy(client, "v1")
    response = client.get(f"/pipelines/{name}{path}")

    assert (response.status_code, response.json()["detail"]) in [
        (404, f"Pipeline '{shown}' not found"),
        # The client itself resolves the dots.
        *([(404, "Not Found")] if shown == ".." else []),
    ]


@pytest.mark.parametrize("number", ["2", "0", "-1", "01", "1.0", "x", "9" * 5000, "%00", "%2e%2e", "١", "1e0", "+1"])
def test_an_unknown_or_odd_number_is_404(client: TestClient, number: str) -> None:
    deploy(client, "v1")

    assert client.get(f"/pipelines/qa/revisions/{number}").status_code == 404


def test_the_text_about_an_odd_number_is_short(client: TestClient) -> None:
    deploy(client, "v1")

    assert client.get(f"/pipelines/qa/revisions/{'9' * 500}").json() == {
        "detail": f"Pipeline 'qa' has no revision {'9' * 20}"
    }


@pytest.mark.parametrize("body", [None, {}, {"revision": None}], ids=["nothing", "empty", "null"])
def test_a_rollback_without_a_number_goes_to_what_was_served_before_and_back(client: TestClient, body: Any) -> None:
    for text in ("v1", "v2", "v3", "v1"):
        deploy(client, text)

    # v1 was served last but one as the newest publication but the current is the one of number 3.
    answers = [(rollback(client, body), run(client)) for _ in range(3)]

    assert answers == [(success(3), ("v3", "3")), (success(1), ("v1", "1")), (success(3), ("v3", "3"))]


def test_a_rollback_to_a_number_publishes_that(client: TestClient) -> None:
    for text in ("v1", "v2", "v3"):
        deploy(client, text)

    assert (rollback(client, {"revision": 1}), run(client)) == (success(1), ("v1", "1"))
    assert [(each["revision"], each["current"]) for each in listed(client)] == [(3, False), (2, False), (1, True)]
    assert (rollback(client, {"revision": 1}), run(client)) == (success(1), ("v1", "1"))


@pytest.mark.parametrize(
    ("name", "body", "expected"),
    [
        ("qa", {"revision": 7}, (404, {"detail": "Pipeline 'qa' has no revision 7"})),
        ("qa", {"revision": 10**30}, (404, {"detail": f"Pipeline 'qa' has no revision {10**30}"})),
        ("qa", None, (404, {"detail": "Pipeline 'qa' has no earlier revision"})),
        ("unsaved", None, (404, {"detail": "Pipeline 'unsaved' has no saved revisions"})),
        ("nope", None, (404, {"detail": "Pipeline 'nope' not found"})),
    ],
    ids=["unknown", "huge", "only-one", "unsaved", "not-there"],
)
def test_a_rollback_to_what_is_not_there_is_404(
    client: TestClient, app: Hayhooks, name: str, body: Any, expected: Any
) -> None:
    deploy(client, "v1")
    app.deploy("unsaved", version("x"))

    assert rollback(client, body, name) == expected
    assert run(client) == ("v1", "1")


@pytest.mark.parametrize(
    "body", [{"revision": 0}, {"revision": "x"}, {"number": 1}, [], {"revision": 1.5}], ids=json.dumps
)
def test_a_rollback_whose_body_is_not_understood_changes_nothing(client: TestClient, body: Any) -> None:
    deploy(client, "v1")
    deploy(client, "v2")

    assert (rollback(client, body)[0], run(client)) == (422, ("v2", "2"))


@pytest.mark.parametrize("name", ["%2e%2e", "a%00b", "x" * 300, "__x", "x.yml"])
def test_a_rollback_of_an_odd_name_is_refused(client: TestClient, name: str) -> None:
    assert client.post(f"/pipelines/{name}/rollback").status_code in (404, 422)


def test_an_undeployed_pipeline_shows_its_revisions_and_can_be_brought_back(client: TestClient) -> None:
    deploy(client, "v1")
    deploy(client, "v2")
    client.post("/undeploy/qa")
    size = len(version("v1")["pipeline_wrapper.py"])

    assert listed(client) == [entry(2, size), entry(1, size)]
    shown = client.get("/pipelines/qa").json()
    assert (shown["name"], shown["state"], len(shown["revisions"])) == ("qa", "Undeployed", 2)
    assert client.get("/pipelines").json() == {"pipelines": []}
    assert client.get("/pipelines/qa/revisions/1").json()["files"] == version("v1")
    assert (rollback(client), run(client)) == (success(2), ("v2", "2"))


def test_a_revision_that_does_not_load_any_more_is_refused_and_the_current_one_stays(
    client: TestClient, tmp_path: Path
) -> None:
    needed = tmp_path / "needed"
    needed.touch()
    source = version("v1")["pipeline_wrapper.py"].replace("pass", f"open({str(needed)!r}).close()")
    client.post("/deploy_files", json={"name": "qa", "files": {"pipeline_wrapper.py": source}})
    deploy(client, "v2")
    needed.unlink()
    before = tree(tmp_path / "pipelines")
    status, answer = rollback(client)

    assert (status, answer["detail"].partition(":")[0]) == (422, "Failed to call setup() on pipeline wrapper instance")
    assert (run(client), tree(tmp_path / "pipelines")) == (("v2", "2"), before)


def test_a_folder_of_the_users_is_recorded_and_can_be_brought_back(
    app: Hayhooks, write_pipeline: WritePipeline, tmp_path: Path
) -> None:
    write_pipeline("qa", "def run_api(self) -> str: return 'own'", {"data.txt": "x"})
    before = tree(tmp_path / "pipelines")
    with TestClient(app) as client:
        assert (run(client), listed(client)) == (("own", None), [])
        deploy(client, "v2")
        assert [(each["revision"], each["message"]) for each in listed(client)] == [
            (2, None),
            (1, "As it stood in the pipelines directory"),
        ]
        assert (rollback(client), run(client)) == (success(1), ("own", "1"))
        assert tree(tmp_path / "pipelines", private=False) == before


def test_an_unsaved_pipeline_goes_back_to_what_was_saved(client: TestClient) -> None:
    deploy(client, "v1")
    deploy(client, "v2")
    deploy(client, "unsaved", save_files=False)

    assert run(client) == ("unsaved", None)
    assert (rollback(client), run(client)) == (success(2), ("v2", "2"))


def test_notes_of_version_0_1_0_are_read(tmp_path: Path) -> None:
    app = Hayhooks(tmp_path)
    for text in ("v1", "v2", "v3"):
        app.deploy("qa", version(text), overwrite=True, save=True)
    for path in (tmp_path / ".hayhooks/revisions/qa").glob("*.json"):
        old = {"kind": "files", "time": 5.5, "description": f"Of {path.name[0]}.", "skip_mcp": None}
        path.write_text(json.dumps(old))
    again = Hayhooks(tmp_path)
    with TestClient(again) as client:
        assert client.get("/pipelines/qa").json()["description"] == "Of 3."
        assert listed(client)[0] == entry(3, 0, current=True, description="Of 3.")
        assert client.get("/pipelines/qa/revisions").json()["revisions"][0]["published"] is None
        assert (rollback(client), rollback(client)) == (success(2), success(3))
        assert rollback(client, {"revision": 1}) == success(1)
        deploy(client, "v4")
        assert (rollback(client), run(client)) == (success(1), ("v1", "1"))


@pytest.mark.parametrize("note", ["", "{", "[]", "{}", '{"labels": {"x": 1}}', "\xff"])
def test_a_spoiled_note_hides_no_revision(client: TestClient, tmp_path: Path, note: str) -> None:
    deploy(client, "v1", description="Known by its note alone.")
    deploy(client, "v2")
    (first,) = (tmp_path / "pipelines/.hayhooks/revisions/qa").glob("1-*.json")
    first.write_bytes(note.encode("latin-1"))

    assert listed(client)[1] == {"revision": 1, "current": False}
    status, answer = rollback(client)
    assert (status, answer["detail"]) == (
        500,
        "The revision cannot be read: the note of revision 1 of 'qa' cannot be read",
    )
    assert run(client) == ("v2", "2")
    # The same content again mends it.
    same = deploy(client, "v1", description="Known by its note alone.")
    assert (same["revision"], run(client)) == (1, ("v1", "1"))


def test_a_revision_without_labels_is_known_by_its_content(client: TestClient, tmp_path: Path) -> None:
    deploy(client, "v1")
    deploy(client, "v2")
    (first,) = (tmp_path / "pipelines/.hayhooks/revisions/qa").glob("1-*.json")
    first.write_text("{")

    assert (listed(client)[1]["kind"], rollback(client), run(client)) == ("files", success(1), ("v1", "1"))
    assert json.loads(first.read_text())["kind"] == "files"


def test_every_answer_of_a_saved_pipeline_names_its_revision(client: TestClient) -> None:
    client.post("/deploy_files", json={"name": "qa", "files": {"pipeline_wrapper.py": wrapper_source(ALL)}})
    chat = {"model": "qa", "messages": [{"role": "user", "content": "x"}]}
    sent: dict[str, tuple[str, Any]] = {
        "run": ("/qa/run", {}),
        "error": ("/qa/run", {"value": 0}),
        "refused": ("/qa/run", {"value": "x"}),
        "chat": ("/v1/chat/completions", chat),
        "own chat": ("/qa/chat", chat),
        "stream": ("/v1/chat/completions", chat | {"stream": True}),
        "response": ("/v1/responses", {"model": "qa", "input": "x"}),
        "response stream": ("/v1/responses", {"model": "qa", "input": "x", "stream": True}),
        "embedding": ("/v1/embeddings", {"model": "qa", "input": "x"}),
        "unknown": ("/v1/chat/completions", chat | {"model": "nope"}),
    }
    seen = {}
    for key, (path, body) in sent.items():
        response = client.post(path, json=body)
        seen[key] = (response.status_code, response.headers.get("x-hayhooks-revision"))

    assert seen == {
        "run": (200, "1"),
        "error": (500, "1"),
        "refused": (422, "1"),
        "chat": (200, "1"),
        "own chat": (200, "1"),
        "stream": (200, "1"),
        "response": (200, "1"),
        "response stream": (200, "1"),
        "embedding": (200, "1"),
        "unknown": (404, None),
    }
    assert client.get("/qa/run").headers.get("x-hayhooks-revision") == "1"
    assert client.get("/status").headers.get("x-hayhooks-revision") is None


def test_an_answer_names_the_revision_that_its_request_began_with(client: TestClient, app: Hayhooks) -> None:
    class Deploying(BasePipelineWrapper):
        def setup(self) -> None: ...

        def run_api(self) -> str:
            app.deploy("qa", version("v2"), overwrite=True, save=True)
            return "first"

    app.deploy("qa", Deploying())

    assert [run(client), run(client)] == [("first", None), ("v2", "1")]


def test_without_a_pipelines_directory_nothing_has_revisions() -> None:
    app = Hayhooks()
    app.deploy("qa", version("x"))
    client = TestClient(app, raise_server_exceptions=False)

    assert client.get("/pipelines/qa/revisions").json() == {"name": "qa", "revisions": []}
    assert client.get("/pipelines/qa/revisions/1").status_code == 404
    assert rollback(client) == (404, {"detail": "Pipeline 'qa' has no saved revisions"})


def test_a_rollback_needs_the_routes_of_an_administrator(tmp_path: Path) -> None:
    app = Hayhooks(tmp_path, admin=False)
    start(app)
    app.deploy("qa", version("v1"), save=True)
    app.deploy("qa", version("v2"), save=True, overwrite=True)
    client = TestClient(app)

    assert client.post("/pipelines/qa/rollback").status_code in (404, 405)
    assert run(client) == ("v2", "2")
