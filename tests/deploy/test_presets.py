"""One source under several names with several presets, and other names for models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from hayhooks import Hayhooks, Settings, log
from hayhooks.deploy.presets import MASK
from tests.deploy.disk import DOUBLE, restarted

JSON = dict[str, Any]
SOURCE = """
from pydantic import BaseModel, Field
from hayhooks import BasePipelineWrapper

class PipelineWrapper(BasePipelineWrapper):
    class Params(BaseModel):
        model_config = {"extra": "forbid"}
        tone: str
        top_k: int = Field(3, ge=1)

    def setup(self) -> None:
        self.prefix = f"{self.params.tone} {self.params.top_k}"

    def run_api(self, value: int = 1) -> str:
        return self.prefix

    def run_chat_completion(self, model, messages, body):
        return f"{model}: {self.prefix}"
"""
PLAIN = SOURCE.replace("class Params(BaseModel)", "class Other(BaseModel)").replace(
    'f"{self.params.tone} {self.params.top_k}"', "repr(self.params)"
)


@pytest.fixture
def app(tmp_path: Path) -> Hayhooks:
    return Hayhooks(tmp_path / "pipelines", settings=Settings(model_aliases={"gpt-4o": "kind", "lost": "nobody"}))


@pytest.fixture
def client(app: Hayhooks) -> TestClient:
    return TestClient(app)


def deploy(client: TestClient, name: str, params: JSON | None, source: str = SOURCE, **more: Any) -> Any:
    body = {"name": name, "files": {"pipeline_wrapper.py": source}, "params": params, **more}
    return client.post("/deploy_files", json=body)


def test_one_source_serves_under_three_names_with_three_presets(client: TestClient, tmp_path: Path) -> None:
    presets: dict[str, JSON] = {
        "kind": {"tone": "kind"},
        "short": {"tone": "short", "top_k": 1},
        "long": {"tone": "long", "top_k": "9"},
    }
    for name, params in presets.items():
        assert deploy(client, name, params).status_code == 200

    expected = {"kind": "kind 3", "long": "long 9", "short": "short 1"}
    assert {name: client.post(f"/{name}/run", json={}).json()["result"] for name in expected} == expected
    assert restarted(tmp_path / "pipelines") == expected
    assert client.get("/pipelines/short/revisions").json()["revisions"][0]["params"] == presets["short"]


SECRETS: list[tuple[JSON, JSON]] = [
    ({"api_key": "sk-1", "top_k": 2}, {"api_key": MASK, "top_k": 2}),
    (
        {"openai": {"apiKey": "x", "OPENAI_API_KEY": "y", "model": "z"}},
        {"openai": {"apiKey": MASK, "OPENAI_API_KEY": MASK, "model": "z"}},
    ),
    ({"stores": [{"password": "x", "user": "y"}]}, {"stores": [{"password": MASK, "user": "y"}]}),
    ({"url": "postgres://ada:pw@db/x", "home": "https://db/x@y"}, {"url": MASK, "home": "https://db/x@y"}),
    ({"auth-token": 5, "clientSecret": ["a"]}, {"auth-token": MASK, "clientSecret": MASK}),
    (
        {"max_tokens": 5, "sort_key": "a", "token": None, "use_token": True},
        {"max_tokens": 5, "sort_key": "a", "token": None, "use_token": True},
    ),
    ({"api_key": {"type": "env_var", "env_vars": ["KEY"]}}, {"api_key": {"type": "env_var", "env_vars": ["KEY"]}}),
]


@pytest.mark.parametrize(("params", "shown"), SECRETS)
def test_what_looks_secret_is_masked_and_reaches_the_wrapper(client: TestClient, params: JSON, shown: JSON) -> None:
    deploy(client, "qa", params, PLAIN)

    assert client.post("/qa/run", json={}).json() == {"result": repr(params)}
    assert client.get("/pipelines/qa").json()["revisions"][0]["params"] == shown
    assert client.get("/pipelines/qa/revisions").json()["revisions"][0]["params"] == shown
    assert client.get("/pipelines/qa/revisions/1").json()["params"] == shown


TYPED = """
from pydantic import BaseModel, Field, SecretStr
from hayhooks import BasePipelineWrapper

class Login(BaseModel):
    user: str
    words: list[SecretStr] = []

class PipelineWrapper(BasePipelineWrapper):
    class Params(BaseModel):
        phrase: SecretStr = Field(SecretStr(""), alias="magicPhrase")
        login: Login | None = None
        tone: str = "kind"

    def setup(self) -> None: ...

    def run_api(self) -> str:
        return self.params.phrase.get_secret_value()
"""


def test_what_the_model_takes_as_a_secret_is_masked_also_once_it_is_undeployed(client: TestClient) -> None:
    params = {"magicPhrase": "sesame", "login": {"user": "ada", "words": ["x"]}, "tone": "short"}
    shown = {"magicPhrase": MASK, "login": MASK, "tone": "short"}
    deploy(client, "qa", params, TYPED)
    deploy(client, "qa", None, PLAIN, overwrite=True)

    assert [entry["params"] for entry in client.get("/pipelines/qa/revisions").json()["revisions"]] == [None, shown]
    client.post("/undeploy/qa")
    assert client.get("/pipelines/qa").json()["revisions"][1]["params"] == shown
    client.post("/pipelines/qa/rollback", json={"revision": 1})
    assert client.post("/qa/run", json={}).json() == {"result": "sesame"}
    assert client.get("/pipelines/qa").json()["revisions"][1]["params"] == shown


def test_a_mask_is_not_taken_for_a_secret(client: TestClient) -> None:
    response = deploy(client, "qa", {"stores": [{"password": MASK}]}, PLAIN)

    assert (response.status_code, response.json()["detail"]) == (
        422,
        "The parameter 'stores.0.password' is **********, which stands for a secret: give the secret",
    )


def test_a_preset_that_does_not_fit_is_not_in_the_log(client: TestClient) -> None:
    written: list[str] = []
    sink = log.add(lambda message: written.append(str(message)), level="WARNING", format="{message}")
    log.enable("hayhooks")
    deploy(client, "qa", {"tone": {"x": "hidden"}})
    log.disable("hayhooks")
    log.remove(sink)

    assert "The parameter 'tone' does not fit: Input should be a valid string" in "".join(written)
    assert "hidden" not in "".join(written)


def test_another_preset_of_the_same_files_is_another_revision(client: TestClient) -> None:
    numbers = [deploy(client, "qa", {"tone": tone}, overwrite=True).json()["revision"] for tone in "aba"]

    assert numbers == [1, 2, 1]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (None, "The parameter 'tone' does not fit: Field required"),
        ({"tone": 5}, "The parameter 'tone' does not fit: Input should be a valid string"),
        ({"tone": "a", "top_k": 0}, "The parameter 'top_k' does not fit: Input should be greater than or equal to 1"),
        ({"tone": "a", "topk": 1}, "The parameter 'topk' does not fit: Extra inputs are not permitted"),
    ],
)
def test_a_preset_that_does_not_fit_is_refused(client: TestClient, params: JSON | None, message: str) -> None:
    response = deploy(client, "qa", params)

    assert (response.status_code, response.json()) == (422, {"detail": message})
    assert client.get("/status").json()["pipelines"] == []


@pytest.mark.parametrize(("params", "expected"), [({"a": [1]}, "{'a': [1]}"), (None, "None")])
def test_a_wrapper_without_a_model_gets_a_dict(client: TestClient, params: JSON | None, expected: str) -> None:
    assert deploy(client, "qa", params, PLAIN).status_code == 200

    assert client.post("/qa/run", json={}).json() == {"result": expected}


def test_a_yaml_takes_no_preset(client: TestClient) -> None:
    response = client.post("/deploy-yaml", json={"name": "qa", "source_code": DOUBLE, "params": {"a": 1}})

    assert (response.status_code, response.json()["detail"]) == (
        422,
        "A YAML pipeline takes no 'params': they are for wrappers",
    )


def test_an_alias_is_a_model_like_its_pipeline(client: TestClient) -> None:
    deploy(client, "kind", {"tone": "kind"})
    body = {"model": "gpt-4o", "messages": []}

    assert [model["id"] for model in client.get("/v1/models").json()["data"]] == ["kind", "gpt-4o"]
    assert client.get("/v1/models/gpt-4o").json()["capabilities"] == ["chat", "run"]
    answer = client.post("/v1/chat/completions", json=body).json()
    assert (answer["model"], answer["choices"][0]["message"]["content"]) == ("gpt-4o", "gpt-4o: kind 3")
    assert client.post("/v1/chat/completions", json={**body, "model": "lost"}).status_code == 404


def test_a_pipeline_of_that_name_comes_before_an_alias(client: TestClient) -> None:
    deploy(client, "kind", {"tone": "kind"})
    deploy(client, "gpt-4o", {"tone": "own"})
    answer = client.post("/v1/chat/completions", json={"model": "gpt-4o", "messages": []}).json()

    assert answer["choices"][0]["message"]["content"] == "gpt-4o: own 3"
    assert len(client.get("/v1/models").json()["data"]) == 2


@pytest.fixture
def chain() -> Hayhooks:
    aliases = {"a": "b", "b": "kind", "gone": "nobody", "fine": "kind"}
    return Hayhooks(settings=Settings(model_aliases=aliases))


LOST = [
    "WARNING The model alias 'a' leads to 'b', which is an alias itself",
    "WARNING The model alias 'gone' leads to 'nobody', which is not deployed",
]


def test_aliases_that_lead_nowhere_are_told_at_the_start_and_not_listed(chain: Hayhooks, log_lines: list[str]) -> None:
    chain.deploy("kind", {"pipeline_wrapper.py": PLAIN})
    with TestClient(chain) as client:
        assert [line for line in log_lines if "alias" in line] == LOST
        assert [model["id"] for model in client.get("/v1/models").json()["data"]] == ["kind", "b", "fine"]
        assert client.get("/v1/models/a").status_code == 404


def test_aliases_that_an_undeploy_leaves_behind_are_told(chain: Hayhooks, log_lines: list[str]) -> None:
    chain.deploy("kind", {"pipeline_wrapper.py": PLAIN})
    chain.undeploy("kind")

    assert [line for line in log_lines if "alias" in line] == [
        f"WARNING The model alias '{alias}' leads to 'kind', which is not deployed" for alias in ("b", "fine")
    ]
