"""The command `pointsman` against a real control plane: what it prints and its exit codes."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from controlplane.client.cli import main
from controlplane.server.assembly import Running
from tests.support import child_process
from tests.support.served_control_plane import served
from tests.support.stub_proxy import StubProxy, stub_proxy
from tests.support.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-c", "from controlplane.client.cli import main; main()"]

CLUSTER = """\
"@type": type.googleapis.com/envoy.config.cluster.v3.Cluster
name: {name}
connect_timeout: {timeout}
type: STATIC
load_assignment: {{cluster_name: {name}}}
"""


def cluster(name: str, timeout: str = "1s") -> str:
    return CLUSTER.format(name=name, timeout=timeout)


class Server:
    """A control plane in a thread of its own, because the command blocks; proxies live there too."""

    def __init__(self, directory: Path, token_file: Path | None) -> None:
        self._directory = directory
        self._token_file = token_file
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self.running: Running
        self.proxies: dict[str, StubProxy] = {}

    def start(self) -> None:
        self._thread.start()
        assert self._started.wait(PATIENCE), "the control plane did not start"

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def connect(self, node_id: str) -> StubProxy:
        async def enter() -> StubProxy:
            return await self._stack.enter_async_context(stub_proxy(str(self.running.xds), node_id))

        self.proxies[node_id] = asyncio.run_coroutine_threadsafe(enter(), self._loop).result(PATIENCE)
        return self.proxies[node_id]

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with served(self._directory, self._token_file) as self.running, AsyncExitStack() as self._stack:
            self._started.set()
            await self._stop.wait()


@contextmanager
def server(directory: Path, token_file: Path | None = None) -> Iterator[Server]:
    serving = Server(directory, token_file)
    serving.start()
    try:
        yield serving
    finally:
        serving.stop()


@pytest.fixture
def cp(tmp_path: Path) -> Iterator[Server]:
    with server(tmp_path) as serving:
        yield serving


def run(serving: Server, *arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(
        main, ["--server", f"http://{serving.running.api}", *arguments], input=stdin, catch_exceptions=False
    )


def test_apply_reads_files_directories_and_standard_input(cp: Server, tmp_path: Path) -> None:
    directory = tmp_path / "config"
    directory.mkdir()
    (directory / "a.yaml").write_text(cluster("a"))
    (directory / "b.json").write_text(json.dumps(yaml.safe_load(cluster("b"))))
    (directory / "notes.txt").write_text("not configuration")
    result = run(cp, "apply", "-f", str(directory), "-f", "-", "-m", "three", stdin=cluster("c"))
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == ["+ Cluster a", "+ Cluster b", "+ Cluster c", "revision 1"]
    assert "nothing changed; still revision 1" in run(cp, "apply", "-f", str(directory)).output


def test_problems_are_shown_where_they_are_and_nothing_is_stored(cp: Server, tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(cluster("good") + "---\n" + cluster("bad", "-1s"))
    result = run(cp, "apply", "-f", str(file))
    assert result.exit_code == 1
    assert f"{file}:9:18: Cluster{{bad}}.connect_timeout: " in result.stderr
    assert run(cp, "get", "-o", "json").output == "[]\n"


def test_dry_run_shows_the_difference(cp: Server) -> None:
    run(cp, "apply", "-f", "-", stdin=cluster("a"))
    result = run(cp, "apply", "-f", "-", "--dry-run", stdin=cluster("a", "2s"))
    assert result.exit_code == 0
    assert "-connect_timeout: 1s\n+connect_timeout: 2s" in result.output
    assert "nothing was stored" in result.output


def test_wait_says_who_is_ready_and_a_nack_is_exit_code_3(cp: Server) -> None:
    proxy = cp.connect("p1")
    result = run(cp, "apply", "-f", "-", "--wait", stdin=cluster("a"))
    assert (result.exit_code, result.output.splitlines()[-1]) == (0, "ready: p1")
    proxy.refuse.add("b")
    result = run(cp, "apply", "-f", "-", "--wait", stdin=cluster("b"))
    assert result.exit_code == 3
    assert "p1 refused revision 2: cannot use b" in result.stderr
    assert "refuses" in run(cp, "proxies").output
    assert "cannot use b" in run(cp, "proxies", "--types").output
    assert run(cp, "rollback", "1", "--wait").exit_code == 0
    (known,) = json.loads(run(cp, "proxies", "-o", "json").output)
    assert (known["node_id"], known["ready_revision"]) == ("p1", 3)


def test_waiting_in_vain_is_exit_code_3(cp: Server) -> None:
    result = run(cp, "apply", "-f", "-", "--wait", "--timeout", "0.2", stdin=cluster("a"))
    assert result.exit_code == 3
    assert "0 of at least 1 proxies connected" in result.stderr
    assert run(cp, "apply", "-f", "-", "--wait", "--min-proxies", "0", stdin=cluster("b")).exit_code == 0


def test_get_shows_tables_yaml_that_can_be_applied_again_and_json(cp: Server) -> None:
    run(cp, "apply", "-f", "-", stdin=cluster("a") + "---\n" + cluster("b"))
    assert [line.split()[:3] for line in run(cp, "get", "clusters").output.splitlines() if "default" in line] == [
        ["Cluster", "a", "default"],
        ["Cluster", "b", "default"],
    ]
    text = run(cp, "get", "cluster", "a").output
    assert yaml.safe_load(text) == yaml.safe_load(cluster("a"))
    assert "nothing changed" in run(cp, "apply", "-f", "-", stdin=run(cp, "get", "-o", "yaml").output).output
    assert [each["name"] for each in json.loads(run(cp, "get", "cds", "b*", "-o", "json").output)] == ["b"]
    assert run(cp, "get", "cluster", "zz").exit_code == 1


def test_history_commands(cp: Server) -> None:
    run(cp, "apply", "-f", "-", "-m", "one", stdin=cluster("a"))
    run(cp, "apply", "-f", "-", "-m", "two", stdin=cluster("a", "2s"))
    revisions = json.loads(run(cp, "revisions", "-o", "json").output)
    assert [(each["number"], each["message"]) for each in revisions] == [(2, "two"), (1, "one")]
    assert [line.split()[0] for line in run(cp, "revisions").output.splitlines() if "one" in line or "two" in line] == ["2", "1"]
    assert "+connect_timeout: 2s" in run(cp, "diff").output
    assert run(cp, "diff", "2", "2").output == "revisions 2 and 2 are equal\n"
    assert run(cp, "rollback", "1", "--expect", "1").exit_code == 1
    assert "revision 3" in run(cp, "rollback", "1", "--expect", "2").output
    assert run(cp, "rollback", "99").exit_code == 1


def test_delete_is_all_or_nothing(cp: Server) -> None:
    run(cp, "apply", "-f", "-", stdin=cluster("a") + "---\n" + cluster("b"))
    result = run(cp, "delete", "cluster", "a", "zz")
    assert (result.exit_code, "Cluster{zz}" in result.stderr) == (1, True)
    assert run(cp, "delete", "cluster", "a", "b").output.splitlines() == ["- Cluster a", "- Cluster b", "revision 2"]


def test_groups_can_be_listed_put_and_deleted(cp: Server) -> None:
    arguments = ("--node-id", "e*", "--metadata", "labels.tier=gold", "--zone", "z", "--no-inherit")
    assert run(cp, "groups", "put", "edge", *arguments).output.splitlines() == ["+ group edge", "revision 1"]
    listed = {each["name"]: each for each in json.loads(run(cp, "groups", "-o", "json").output)}
    assert (listed["edge"]["inherits"], listed["edge"]["selectors"][0]["metadata"]) == (False, {"labels.tier": "gold"})
    assert "node id e*, labels.tier=gold, zone z" in run(cp, "groups").output
    assert "+ Cluster a (group edge)" in run(cp, "apply", "-g", "edge", "-f", "-", stdin=cluster("a")).output
    assert run(cp, "groups", "delete", "edge").exit_code == 0
    assert run(cp, "groups", "put", "default").exit_code == 1
    assert run(cp, "groups", "put", "x", "--metadata", "nonsense").exit_code == 2


def test_events_follow_and_stop_after_a_count(cp: Server) -> None:
    command = [*PROGRAM, "--server", f"http://{cp.running.api}", "events", "-n", "1", "-o", "json"]
    with child_process.start(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as following:
        names = iter(range(1000))

        def heard() -> bool:
            # The command says nothing when it begins to listen, so changes are made until it has heard of one.
            run(cp, "apply", "-f", "-", stdin=cluster(f"c{next(names)}"))
            return following.poll() is not None

        wait_until(heard, "an event arrives")
        assert following.stdout is not None
        assert json.loads(following.stdout.read())["kind"] == "revision"


def test_usage_errors_are_exit_code_2(cp: Server, tmp_path: Path) -> None:
    assert run(cp, "apply").exit_code == 2
    assert run(cp, "apply", "-f", str(tmp_path / "missing.yaml")).exit_code == 2
    empty = tmp_path / "empty"
    empty.mkdir()
    assert run(cp, "apply", "-f", str(empty)).exit_code == 2
    assert run(cp, "apply", "-f", "-", "--dry-run", "--wait", stdin=cluster("a")).exit_code == 2
    assert run(cp, "nonsense").exit_code == 2


def test_an_unreachable_server_is_exit_code_4() -> None:
    result = CliRunner().invoke(main, ["--server", "http://127.0.0.1:1", "revisions"])
    assert result.exit_code == 4
    assert "cannot reach the control plane at http://127.0.0.1:1" in result.stderr


def test_something_else_that_answers_is_exit_code_4(cp: Server) -> None:
    result = CliRunner().invoke(main, ["--server", f"http://{cp.running.api}/elsewhere", "revisions"])
    assert result.exit_code == 1  # a control plane, but no such path
    result = CliRunner().invoke(main, ["--server", f"http://{cp.running.grpc}", "revisions"])
    assert result.exit_code == 4


def test_token_and_server_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token_file = tmp_path / "token"
    token_file.write_text("s3cret\n")
    with server(tmp_path, token_file) as serving:
        monkeypatch.setenv("POINTSMAN_SERVER", f"http://{serving.running.api}")
        result = CliRunner().invoke(main, ["revisions"])
        assert (result.exit_code, "bearer token" in result.stderr) == (1, True)
        monkeypatch.setenv("POINTSMAN_TOKEN_FILE", str(token_file))
        assert CliRunner().invoke(main, ["revisions"]).exit_code == 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_name_the_program(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell], prog_name="pointsman")
    assert result.exit_code == 0
    assert "_POINTSMAN_COMPLETE" in result.output


def test_up_starts_prints_and_stops_cleanly(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-c",
        "from controlplane.client.cli import main; main()",
        "up",
        "--proxies",
        "0",
        "--data",
        str(tmp_path),
    ]
    command += [part for name in ("api", "grpc", "xds") for part in (f"--{name}-listen", "127.0.0.1:0")]
    process = child_process.start(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    lines = [process.stdout.readline()]
    while not lines[-1].startswith("Next:") and lines[-1]:
        lines.append(process.stdout.readline())
    assert any("REST API" in line for line in lines), lines
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 0
    process.stdout.close()
