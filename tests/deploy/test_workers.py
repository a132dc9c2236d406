"""How the processes that serve one pipelines directory come to agree."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import wrapper_source
from tests.deploy.disk import write
from tests.processes import Server, leftovers, serving, telling, until


def success(number: int | None = None, **more: Any) -> tuple[int, Any]:
    answer = {"name": "qa", "success": True, "endpoint": "/qa/run"}
    return 200, answer | ({} if number is None else {"revision": number}) | more


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory whose pipelines directory holds `who`, a folder of the user's own."""
    write(tmp_path / "pipelines" / "who", telling("own"))
    return tmp_path


@pytest.fixture
def two(folder: Path) -> Iterator[Server]:
    """A server of two workers, both of which answer."""
    with serving(folder, "--workers", "2", HAYHOOKS_WORKERS_TIMEOUT="20") as server:
        server.workers()
        yield server


@pytest.fixture(scope="module")
def pair_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `folder` is, for all tests of a process."""
    directory = tmp_path_factory.mktemp("pair")
    write(directory / "pipelines" / "who", telling("own"))
    return directory


@pytest.fixture(scope="module")
def running_pair(pair_folder: Path) -> Iterator[Server]:
    """A server of two workers for tests that leave it as it was."""
    with serving(pair_folder, "--workers", "2", HAYHOOKS_WORKERS_TIMEOUT="20") as server:
        server.workers()
        yield server


@pytest.fixture
def pair(running_pair: Server, pair_folder: Path) -> Iterator[Server]:
    """The running pair, which has served nothing but `who`."""
    yield running_pair
    for path in (pair_folder / "pipelines/.hayhooks/revisions").iterdir():
        if path.name != "who":
            running_pair.post(f"/undeploy/{path.name}")
            shutil.rmtree(path)


def together(works: list[Callable[[], tuple[int, Any]]]) -> list[tuple[int, Any]]:
    """Do all at the same time and return what they give."""
    with ThreadPoolExecutor(len(works)) as threads:
        return list(threads.map(lambda work: work(), works))


def said(server: Server, name: str = "qa") -> set[Any]:
    return set(server.answers(name).values())


def test_all_workers_serve_what_a_deploy_has_answered(pair: Server) -> None:
    seen = []
    for number in range(1, 11):
        seen.append((pair.deploy(f"v{number}"), said(pair)))

    assert seen == [(success(number), {f"v{number}"}) for number in range(1, 11)]


def test_all_workers_go_back_and_forth_together(pair: Server) -> None:
    for text in ("v1", "v2"):
        pair.deploy(text)
    seen = [(pair.post("/pipelines/qa/rollback"), said(pair)) for _ in range(6)]

    assert seen == [(success(1), {"v1"}), (success(2), {"v2"})] * 3


def test_all_workers_forget_what_an_undeploy_has_answered(pair: Server) -> None:
    seen = []
    for _ in range(5):
        pair.deploy("v1")
        undeployed = pair.post("/undeploy/qa")
        seen.append((undeployed, {pair.run()[1] for _ in range(8)}))

    assert seen == [((200, {"success": True, "name": "qa"}), {404})] * 5


def test_a_folder_of_the_users_is_overwritten_and_undeployed_on_all_workers(two: Server, folder: Path) -> None:
    assert (two.deploy("new", "who")[1]["revision"], said(two, "who")) == (2, {"new"})
    two.post("/undeploy/who")
    assert {two.run("who")[1] for _ in range(8)} == {404}
    two.post("/pipelines/who/rollback", {"revision": 1})
    assert said(two, "who") == {"own"}
    assert (folder / "pipelines/who/pipeline_wrapper.py").read_text() == telling("own")["pipeline_wrapper.py"]


def test_a_deploy_that_is_not_saved_is_refused(pair: Server) -> None:
    refused = {pair.deploy("v1", save_files=False)[0] for _ in range(6)}

    assert refused == {409}
    assert pair.deploy("v1", save_files=False)[1] == {
        "detail": "Pipeline 'qa' must be saved: the other processes of the server would not have it"
    }
    assert pair.run() == (0, 404)


@pytest.mark.parametrize("expected", [{"if_revision": 0}, {"overwrite": False}], ids=["if-revision-0", "no-overwrite"])
def test_of_rivals_for_a_free_name_one_wins(pair: Server, expected: dict[str, Any]) -> None:
    for name in ("r1", "r2", "r3"):
        results = together([partial(pair.deploy, text, name, **expected) for text in "abcd"])
        assert sorted(status for status, _ in results) == [200, 409, 409, 409]
        assert len(said(pair, name)) == 1


def test_of_rivals_for_one_revision_one_wins(pair: Server) -> None:
    pair.deploy("v0")
    for number in range(1, 6):
        results = together([partial(pair.deploy, f"{number}{rival}", if_revision=number) for rival in "abcd"])
        assert sorted(status for status, _ in results) == [200, 409, 409, 409]
        [winner] = [answer for status, answer in results if status == 200]
        assert winner["revision"] == number + 1


def test_a_worker_that_is_killed_is_replaced_by_one_that_serves_the_current_state(two: Server, folder: Path) -> None:
    two.deploy("v1")
    first, second = two.workers()
    two.post("/undeploy/who")
    two.deploy("gone", "other")
    os.kill(first, signal.SIGKILL)
    status, answer = two.deploy("v2")

    assert (status, answer["revision"]) == (200, 2)
    # Named when it was seen to die, and not when it was dead already.
    assert answer.get("not_served_by", {}) in (
        {},
        {f"{socket.gethostname()}:{first}": "It has ended meanwhile"},
    )
    until(lambda: len({process for process, _ in (two.run() for _ in range(8))} - {first}) == 2)
    assert (set(two.answers().values()), set(two.answers("other").values())) == ({"v2"}, {"gone"})
    assert {two.run("who")[1] for _ in range(8)} == {404}
    assert two.deploy("v3") == success(3)
    assert len(list((folder / "pipelines/.hayhooks/workers").glob("*.lock"))) == 2


@pytest.mark.parametrize("moment", ["deploy", "rollback", "undeploy"])
def test_a_worker_that_is_killed_during_a_change_leaves_one_state(two: Server, moment: str) -> None:
    paths = {"rollback": ("/pipelines/qa/rollback", None), "undeploy": ("/undeploy/qa", None)}
    for number in range(4):
        two.deploy("old")
        two.deploy("current")
        body = {"name": "qa", "files": telling(f"new{number}"), "overwrite": True}
        path, sent = paths.get(moment, ("/deploy_files", body))
        processes = two.workers()

        def change(path: str = path, sent: Any = sent) -> None:
            try:
                two.post(path, sent)
            except OSError:
                # Its worker was killed.
                pass

        thread = threading.Thread(target=change)
        thread.start()
        threading.Event().wait(0.008 * number)
        os.kill(processes[number % 2], signal.SIGKILL)
        thread.join()
        until(lambda killed=processes[number % 2]: len({two.run("who")[0] for _ in range(6)} - {killed}) == 2)  # type: ignore[misc]
        # Whatever was made of the change: the next one is agreed on.
        assert two.deploy(f"after{number}")[1].get("not_served_by") is None
        assert said(two) == {f"after{number}"}


def test_a_worker_that_hangs_is_named_and_catches_up(folder: Path) -> None:
    with serving(folder, "--workers", "2", HAYHOOKS_WORKERS_TIMEOUT="0.3") as server:
        for process in server.workers():
            os.kill(process, signal.SIGSTOP)
            try:
                answer = _deploy_while_stopped(server, f"without {process}")
                seen = {server.run() for _ in range(3)} if answer is not None else set()
            finally:
                os.kill(process, signal.SIGCONT)
            if answer is None:
                continue
            name = f"{socket.gethostname()}:{process}"
            assert answer["not_served_by"] == {name: "It did not answer within 0.3 s"}
            assert {text for _, text in seen} == {f"without {process}"}
            until(lambda: set(server.answers().values()) == {f"without {process}"})  # noqa: B023


def _deploy_while_stopped(server: Server, text: str) -> Any:
    """Deploy over connections until one is not taken by the stopped process."""
    import requests

    body = {"name": "qa", "files": telling(text), "overwrite": True}
    for _ in range(20):
        try:
            return requests.post(f"{server.url}/deploy_files", json=body, timeout=3).json()
        except requests.Timeout:
            pass
    return None


def test_a_version_that_one_worker_cannot_load_is_named_and_the_old_one_serves_there(two: Server, folder: Path) -> None:
    first, second = two.workers()
    two.deploy("v1")
    failing = telling("v2")["pipeline_wrapper.py"].replace(
        "import asyncio", f"import os; assert os.getpid() != {first}, 'not here'\nimport asyncio"
    )
    body = {"name": "qa", "files": {"pipeline_wrapper.py": failing}, "overwrite": True}
    answers = [two.post("/deploy_files", body) for _ in range(20)]
    refused = [answer for answer in answers if answer[0] != 200]
    published = [answer for answer in answers if answer[0] == 200]
    reason = "qa: Failed to load pipeline module 'qa' - AssertionError: not here"

    assert {status for status, _ in refused} <= {422}
    assert published[0] == success(2, not_served_by={f"{socket.gethostname()}:{first}": reason})
    assert two.answers() == {first: "v1", second: "v2"}
    # The failure of one pipeline is no news of another, and is over with the next version.
    assert two.deploy("x", "other")[1].get("not_served_by") is None
    for number in range(4):
        assert two.deploy(f"v3{number}")[1].get("not_served_by") is None
    assert two.answers() == {first: "v33", second: "v33"}


@pytest.mark.parametrize("spoil", ["delete", "", "garbage", "\xff", "-5", "3"])
def test_a_lost_or_spoiled_stamp_disturbs_no_agreement(pair: Server, pair_folder: Path, spoil: str) -> None:
    stamp = pair_folder / "pipelines/.hayhooks/stamp"
    for number in range(6):
        pair.deploy(f"v{number}")
    seen = []
    for number in range(6):
        if spoil == "delete":
            stamp.unlink()
        else:
            stamp.write_text(spoil, encoding="latin-1")
        status, answer = pair.deploy(f"w{number}")
        seen.append((status, "not_served_by" in answer, said(pair)))

    assert seen == [(200, False, {f"w{number}"}) for number in range(6)]


def test_times_on_disk_do_not_matter(pair: Server, pair_folder: Path) -> None:
    for number, moment in enumerate((0, 4e9, 1)):
        pair.deploy(f"v{number}")
        for path in (pair_folder / "pipelines").rglob("*"):
            os.utime(path, (moment, moment), follow_symlinks=False)

    assert (pair.post("/pipelines/qa/rollback"), said(pair)) == (success(2), {"v1"})


def test_a_server_that_ends_leaves_no_traces_of_its_workers(folder: Path) -> None:
    with serving(folder, "--workers", "2") as server:
        server.workers()
        server.deploy("v1")

    assert leftovers(folder / "pipelines") == []
    with serving(folder) as server:
        assert server.run()[1] == "v1"


def test_two_servers_that_share_a_directory_agree(folder: Path) -> None:
    shared = {"HAYHOOKS_SHARED": "true"}
    with serving(folder, **shared) as one, serving(folder, **shared) as other:
        seen = []
        for number in range(1, 7):
            deploying, asked = (one, other) if number % 2 else (other, one)
            seen.append((deploying.deploy(f"v{number}"), asked.run()[1]))
        rolled_back = (one.post("/pipelines/qa/rollback"), other.run()[1])
        undeployed = (other.post("/undeploy/qa")[0], one.run())

    assert seen == [(success(number), f"v{number}") for number in range(1, 7)]
    assert (rolled_back, undeployed) == ((success(5), "v5"), (200, (0, 404)))


def test_two_servers_that_do_not_share_lose_nothing(folder: Path) -> None:
    with serving(folder) as one, serving(folder) as other:
        answers = []
        for number in range(1, 5):
            for server, name in ((one, "one"), (other, "other")):
                answers.append(server.deploy(f"{name}{number}"))
        answers += together([partial(server.deploy, f"t{n}") for n in range(6) for server in (one, other)])
        texts = (one.run()[1], other.run()[1])
        assert [(status, one.get("/pipelines/qa")["name"]) for status, _ in answers] == [(200, "qa")] * 20
    with serving(folder) as again:
        assert again.run()[1] in texts
    assert leftovers(folder / "pipelines") == []


def test_a_broken_folder_is_no_news_of_a_deploy(folder: Path) -> None:
    write(folder / "pipelines/broken", {"pipeline_wrapper.py": wrapper_source("") + "\n1 / 0\n"})
    with serving(folder, "--workers", "2") as server:
        server.workers()

        assert server.deploy("v1") == success(1)
        assert set(server.answers().values()) == {"v1"}


def test_a_pipelines_directory_that_is_deleted_ends_no_pipeline(two: Server, folder: Path) -> None:
    two.deploy("v1")
    for number in range(3):
        shutil.rmtree(folder / "pipelines")
        if number == 2:
            until(lambda: two.has_logged("The directory is gone; what it held is served on"))
        status, answer = two.deploy(f"w{number}", "new")

        assert (status, answer["revision"]) == (200, 1)
        until(lambda text=f"w{number}": set(two.answers("new").values()) == {text})  # type: ignore[misc]
        assert (said(two), said(two, "who")) == ({"v1"}, {"own"})


def test_what_is_deployed_again_is_built_anew_by_all(pair: Server, folder: Path) -> None:
    data = folder / "data.txt"
    source = wrapper_source(
        "def setup(self): self.text = open(DATA).read()\ndef run_api(self) -> list: return WHO(self)"
    )
    head = f"import os\nDATA = {str(data)!r}\n\n\ndef WHO(wrapper): return [os.getpid(), wrapper.text]\n\n\n"
    seen = []
    for text in ("a", "b", "c"):
        data.write_text(text)
        body = {"name": "qa", "files": {"pipeline_wrapper.py": head + source}, "overwrite": True}
        seen.append((pair.post("/deploy_files", body), said(pair)))

    assert seen == [(success(1), {text}) for text in "abc"]


def test_a_pipeline_that_fails_is_not_built_again_for_news_of_others(folder: Path) -> None:
    source = f"with open({str(folder / 'builds')!r}, 'a') as file: file.write('x')\n1 / 0\n"
    write(folder / "pipelines/broken", {"pipeline_wrapper.py": source})
    with serving(folder, "--workers", "2") as server:
        server.workers()
        for number in range(4):
            server.deploy(f"v{number}")

    assert (folder / "builds").read_text() == "xx"


def test_a_server_that_does_not_share_keeps_the_revisions_that_it_serves(folder: Path) -> None:
    kept = {"HAYHOOKS_REVISIONS_KEPT": "1"}
    late = telling("v1")["pipeline_wrapper.py"].replace("import os;", "from .late import OS as os;")
    body = {"name": "qa", "files": {"pipeline_wrapper.py": late, "late.py": "import os as OS"}, "overwrite": True}
    with serving(folder, **kept) as one, serving(folder, **kept) as other:
        one.post("/deploy_files", body)
        for number in range(2, 5):
            other.deploy(f"v{number}")
        with serving(folder, **kept) as third:
            assert third.run()[1] == "v4"
            for number in range(5, 8):
                other.deploy(f"v{number}")
            until(lambda: revisions(folder) == [1, 4, 7])
            assert (one.run()[1], third.run()[1], other.run()[1]) == ("v1", "v4", "v7")


def test_a_directory_that_two_servers_reach_by_two_paths_loses_no_revision(folder: Path) -> None:
    (folder / "mount").mkdir()
    (folder / "mount/pipelines").symlink_to(folder / "pipelines")
    kept = {"HAYHOOKS_REVISIONS_KEPT": "1"}
    late = telling("v1")["pipeline_wrapper.py"].replace("import os;", "from .late import OS as os;")
    body = {"name": "qa", "files": {"pipeline_wrapper.py": late, "late.py": "import os as OS"}, "overwrite": True}
    with serving(folder / "mount", **kept) as one, serving(folder, **kept) as other:
        one.post("/deploy_files", body)
        for number in range(2, 5):
            other.deploy(f"v{number}")
        until(lambda: revisions(folder) == [1, 4])
        assert (one.run()[1], other.run()[1]) == ("v1", "v4")


def test_a_change_whose_process_died_before_it_was_told_is_served_all_the_same(folder: Path) -> None:
    private = folder / "pipelines/.hayhooks"
    with serving(folder, HAYHOOKS_SHARED="true") as server:
        server.deploy("v1")
        server.deploy("v2")
        stamp = int((private / "stamp").read_text())
        (report,) = (private / "workers").glob("*.json")
        until(lambda: json.loads(report.read_text())["seen"] == stamp)
        # As after a kill -9 between the two steps of a publication.
        (first,) = (path for path in (private / "revisions/qa").glob("1-*") if path.is_dir())
        (folder / "draft").symlink_to(Path(".hayhooks/revisions/qa", first.name))
        (private / "stamp.draft").write_text(f"{stamp + 1}\n")
        (folder / "draft").replace(folder / "pipelines/qa")

        until(lambda: server.run()[1] == "v1")
        assert int((private / "stamp").read_text()) == stamp + 1


def test_nobody_waits_for_a_server_that_starts_and_it_serves_what_was_deployed_meanwhile(folder: Path) -> None:
    shared = {"HAYHOOKS_SHARED": "true", "HAYHOOKS_WORKERS_TIMEOUT": "60"}
    slow = f"""
import os, time
if os.environ.get("SLOW"):
    open({str(folder / "entered")!r}, "w").close()
    while not os.path.exists({str(folder / "gate")!r}): time.sleep(0.005)
"""
    write(folder / "pipelines/slow", {"pipeline_wrapper.py": slow + telling("slow")["pipeline_wrapper.py"]})
    seen: list[Any] = []
    with serving(folder, **shared) as one:

        def start_other() -> None:
            with serving(folder, SLOW="1", **shared) as other:
                seen.append((other.run(), other.run("slow")[1]))

        one.deploy("v1")
        thread = threading.Thread(target=start_other)
        thread.start()
        until((folder / "entered").exists)
        began = time.monotonic()
        deployed = one.deploy("v2")
        seconds = time.monotonic() - began
        (folder / "gate").touch()
        thread.join()

    assert (deployed, seconds < 30) == (success(2), True)
    assert [(text, other) for (_, text), other in seen] == [("v2", "slow")]


def revisions(folder: Path) -> list[int]:
    paths = (folder / "pipelines/.hayhooks/revisions/qa").glob("[0-9]*-*")
    return sorted({int(path.name.partition("-")[0]) for path in paths if path.is_dir()})
