"""A server without keys: what it refuses by where a request comes from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from hayhooks import Hayhooks, Settings
from hayhooks.security.locality import host_name, is_loopback
from tests.conftest import wrapper_source
from tests.security.conftest import Whoami

NAMED = Settings(cors_allow_origins=["https://app.example.org"], cors_allow_origin_regex=r"https://\w+\.example\.net")
FILES = {"name": "new", "files": {"pipeline_wrapper.py": wrapper_source("def run_api(self) -> int: return 1")}}

# All that changes what is served; the last three need no body, so a form of any page could send them.
ADMIN: list[tuple[str, Any]] = [
    ("/deploy_files", FILES),
    ("/deploy?dry_run=true", FILES),
    ("/deploy", FILES),
    ("/deploy-yaml", {}),
    ("/undeploy", {"name": "other"}),
    ("/undeploy/other", None),
    ("/pipelines/other/rollback", None),
]


def local_client(app: Hayhooks, *, host: str | None = "127.0.0.1", peer: str = "127.0.0.1") -> TestClient:
    """A client of a server that listens on `host`, or of one that somebody else listens for, over TCP from `peer`."""
    if host is not None:
        app.access.locality.bind(host)
    app.deploy("other", Whoami())
    return TestClient(app, base_url="http://127.0.0.1:1416", client=(peer, 50000))


@pytest.mark.parametrize(("path", "body"), ADMIN, ids=[path for path, _ in ADMIN])
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Origin": "https://evil.example.com"}, id="origin"),
        pytest.param({"Origin": "null"}, id="null"),
        pytest.param({"Origin": "http://127.0.0.1:8000"}, id="other-port"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, id="cross-site"),
        pytest.param({"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:8000"}, id="same-site"),
        pytest.param({"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1:1416"}, id="odd-browser"),
        pytest.param({"Origin": "https://app.example.org.evil.com"}, id="begins-like-a-named-one"),
        pytest.param({"Origin": "https://a.example.net.evil.com"}, id="matches-in-part"),
    ],
)
def test_page_of_another_site_cannot_change_what_is_served(path: str, body: Any, headers: dict[str, str]) -> None:
    app = Hayhooks(settings=NAMED)
    with local_client(app) as client:
        answer = client.post(path, json=body, headers=headers)
        served = list(app.deployments)

    assert (answer.status_code, served) == (403, ["other"])
    assert "HAYHOOKS_CORS_ALLOW_ORIGINS" in answer.json()["detail"]


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="no-browser"),
        pytest.param({"Origin": "http://127.0.0.1:1416"}, id="own-origin"),
        pytest.param({"Origin": "http://LOCALHOST:1416", "Host": "localhost:1416"}, id="own-name"),
        pytest.param({"Sec-Fetch-Site": "same-origin", "Origin": "https://hay.example.org"}, id="behind-a-proxy"),
        pytest.param({"Sec-Fetch-Site": "none"}, id="typed"),
        pytest.param({"Origin": "https://app.example.org", "Sec-Fetch-Site": "cross-site"}, id="named"),
        pytest.param({"Origin": "https://a.example.net"}, id="named-by-pattern"),
    ],
)
def test_other_requests_of_this_machine_can_change_what_is_served(headers: dict[str, str]) -> None:
    app = Hayhooks(settings=NAMED)
    with local_client(app) as client:
        assert client.post("/undeploy/other", headers=headers).status_code == 200


def test_allowing_all_origins_does_not_let_pages_deploy() -> None:
    with local_client(Hayhooks(settings=Settings(cors_allow_origins=["*"]))) as client:
        headers = {"Origin": "https://evil.example.com"}
        statuses = [client.post(path, headers=headers).status_code for path in ("/other/run", "/undeploy/other")]

    assert statuses == [422, 403]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:1416", 200),
        ("localhost", 200),
        ("LocalHost:9", 200),
        ("localhost.:1416", 200),
        ("hay.localhost:1416", 200),
        ("127.9.8.7", 200),
        ("[::1]:1416", 200),
        ("[::ffff:127.0.0.1]", 200),
        ("host.docker.internal:1416", 200),
        ("hay.example.org", 200),
        ("a.wild.example.org:1416", 200),
        ("evil.example.com:1416", 421),
        ("localhost.evil.example.com", 421),
        ("evillocalhost", 421),
        ("wild.example.org", 421),
        ("0.0.0.0:1416", 421),
        ("192.168.0.1", 421),
        ("127.0.0.1@evil.example.com", 421),
        ("", 421),
    ],
)
def test_server_on_loopback_answers_to_local_and_allowed_names(host: str, status: int) -> None:
    settings = Settings(allowed_hosts=["Hay.example.org", "*.wild.example.org"])
    with local_client(Hayhooks(settings=settings)) as client:
        paths = ("/status", "/v1/models", "/openapi.json", "/other/schema", "/nowhere")
        got = [client.get(path, headers={"Host": host}).status_code for path in paths]
        run = client.post("/other/run", json={}, headers={"Host": host}).status_code
        health = client.get("/health", headers={"Host": host}).status_code

    assert (got[:4], run, health) == ([status] * 4, status, 200)
    assert got[4] == (404 if status == 200 else 421)


def test_refusal_of_a_name_says_how_to_allow_it() -> None:
    text = (
        "This server answers to local names only, not to 'hay.example.org'. To serve it under that name, as behind a "
        "proxy, set HAYHOOKS_ALLOWED_HOSTS=hay.example.org, or set up keys (`hayhooks keys add NAME`)."
    )
    with local_client(Hayhooks()) as client:
        ours = client.get("/status", headers={"Host": "hay.example.org:443"})
        openai = client.get("/v1/models", headers={"Host": "hay.example.org"})

    assert ours.json() == {"detail": text}
    assert openai.json()["error"] == {
        "message": text,
        "type": "invalid_request_error",
        "param": None,
        "code": "foreign_host",
    }


@pytest.mark.parametrize(
    ("host", "peer", "name", "deploy", "status"),
    [
        pytest.param("127.0.0.1", "127.0.0.1", "localhost", "auto", 200, id="local"),
        pytest.param("localhost", "::1", "[::1]:1416", "auto", 200, id="local-ipv6"),
        pytest.param(None, "127.0.0.1", "127.0.0.1", "auto", 200, id="other-server-local"),
        pytest.param("0.0.0.0", "127.0.0.1", "localhost", "auto", 403, id="all-addresses"),
        pytest.param("::", "::1", "localhost", "auto", 403, id="all-addresses-ipv6"),
        pytest.param("192.0.2.1", "192.0.2.1", "192.0.2.1", "auto", 403, id="one-address"),
        pytest.param("hay.example.org", "127.0.0.1", "hay.example.org", "auto", 403, id="name"),
        pytest.param(None, "192.0.2.7", "localhost", "auto", 403, id="other-server-remote"),
        pytest.param("127.0.0.1", "192.0.2.7", "localhost", "auto", 403, id="through-a-proxy"),
        pytest.param("127.0.0.1", "2001:db8::1%1", "localhost", "auto", 403, id="through-a-proxy-ipv6"),
        pytest.param("127.0.0.1", "127.0.0.1", "hay.example.org", "auto", 403, id="allowed-name"),
        pytest.param("127.0.0.1", "127.0.0.1", "host.docker.internal", "auto", 403, id="container"),
        pytest.param("0.0.0.0", "192.0.2.7", "hay.example.org", "on", 200, id="on"),
        pytest.param("127.0.0.1", "192.0.2.7", "hay.example.org", "on", 200, id="on-behind-a-proxy"),
        pytest.param("127.0.0.1", "127.0.0.1", "localhost", "off", 404, id="off"),
    ],
)
def test_deploys_without_keys_are_for_this_machine(
    host: str | None, peer: str, name: str, deploy: Any, status: int
) -> None:
    app = Hayhooks(settings=Settings(deploy=deploy, allowed_hosts=["hay.example.org"]))
    with local_client(app, host=host, peer=peer) as client:
        changed = client.post("/undeploy/other", headers={"Host": name})
        app.deploy("other", Whoami(), overwrite=True)
        run = client.post("/other/run", json={}, headers={"Host": name})

    assert (changed.status_code, run.status_code) == (status, 200)
    if status == 403:
        assert "hayhooks keys add NAME --scope deploy" in changed.json()["detail"]
        assert "HAYHOOKS_DEPLOY=on" in changed.json()["detail"]


def test_switch_off_takes_the_routes_out_of_the_document() -> None:
    def paths(deploy: Any) -> set[str]:
        return set(Hayhooks(settings=Settings(deploy=deploy)).openapi()["paths"])

    admin = {"/deploy", "/deploy_files", "/deploy-yaml", "/undeploy", "/undeploy/{pipeline_name}"}
    others = {"/pipelines/{pipeline_name}/rollback", "/requests/{request_id}"}

    assert paths("auto") == paths("on")
    assert paths("auto") - paths("off") == {*admin, *others}


def test_switch_on_still_refuses_pages_of_other_sites() -> None:
    with local_client(Hayhooks(settings=Settings(deploy="on"))) as client:
        answer = client.post("/undeploy/other", headers={"Origin": "https://evil.example.com"})

    assert answer.status_code == 403


def mounted(app: Hayhooks) -> Any:
    return Starlette(routes=[Mount("/ai", app)])


@pytest.mark.parametrize(("make", "prefix"), [(lambda app: app, ""), (mounted, "/ai")], ids=["alone", "mounted"])
def test_application_in_a_test_or_another_server_answers_to_any_name(
    make: Callable[[Hayhooks], Any], prefix: str
) -> None:
    app = Hayhooks()
    app.deploy("other", Whoami())
    with TestClient(make(app)) as client:
        named = client.post(f"{prefix}/other/run", json={}, headers={"Host": "hay.example.org"})
        closed = client.post(f"{prefix}/undeploy/other", headers={"Host": "hay.example.org"})
        undeployed = client.post(f"{prefix}/undeploy/other")

    assert (named.status_code, closed.status_code, undeployed.status_code) == (200, 403, 200)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("a", "a"),
        ("A.b:80", "a.b"),
        ("[::1]:8", "::1"),
        ("[fe80::1]", "fe80::1"),
        ("a:b", ""),
        ("a b", ""),
        ("a/b", ""),
        ("::1", ""),
        ("[::1", ""),
    ],
)
def test_name_is_found_in_the_host(value: str, name: str) -> None:
    assert host_name(value) == name


@pytest.mark.parametrize("name", ["", "localhost.org", "127.1", "2130706433", "0.0.0.0", "::", "10.0.0.1", "é"])
def test_name_that_may_be_elsewhere_is_not_local(name: str) -> None:
    assert not is_loopback(name)
