"""`make e2e-compose`: the compose file with a real engine, as an operator would use it.

Proxies are started before there is a control plane; then everything comes up, three proxies serve, a changed weight reaches all of them
without a failed request, the control plane is stopped and started again under load, one proxy is killed, and everything goes away.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.compose.engine import BASE_IMAGE, ROOT, NoEngine, compose_command, ensure_base_image, fill_wheelhouse, inspect, run

PROXIES = 3
PROJECT = "pointsman-e2e"


class Stack:
    """The compose project."""

    def __init__(self, compose: Sequence[str]) -> None:
        self._compose = (*compose, "-p", PROJECT)

    def __call__(self, *arguments: str, check: bool = True) -> str:
        return run(*self._compose, *arguments, check=check)

    def containers(self, service: str) -> list[str]:
        """Also of containers that have ended."""
        filters = (
            "--filter",
            f"label=com.docker.compose.project={PROJECT}",
            "--filter",
            f"label=com.docker.compose.service={service}",
        )
        listed = subprocess.run(("docker", "ps", "--all", "--quiet", *filters), capture_output=True, text=True, check=True)
        return sorted(listed.stdout.split())


def state_of(container: str) -> dict[str, object]:
    state = inspect_quietly(container)["State"]
    assert isinstance(state, dict)
    return state


def inspect_quietly(container: str) -> dict[str, object]:
    shown = subprocess.run(("docker", "inspect", container), capture_output=True, text=True, check=True)
    found: list[dict[str, object]] = json.loads(shown.stdout)
    return found[0]


def health_of(container: str) -> str:
    health = state_of(container).get("Health")
    return str(health["Status"]) if isinstance(health, dict) else "none"


def wait_for(what: str, condition: Callable[[], bool], timeout: float = 90) -> None:
    print(f"  waiting: {what}", flush=True)
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"FAILED: {what}: not within {timeout:.0f} s")
        time.sleep(0.2)


def port_of(container: str) -> int:
    """Where the container's port 10000 is on this machine."""
    shown = subprocess.run(("docker", "port", container, "10000/tcp"), capture_output=True, text=True, check=True)
    return int(shown.stdout.splitlines()[0].rpartition(":")[2])


def get(port: int) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/")
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


class Load(threading.Thread):
    """Asks one proxy without a pause and remembers every answer."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.answers: Counter[str] = Counter()
        self.failures: list[str] = []
        self._ending = threading.Event()

    def run(self) -> None:
        while not self._ending.is_set():
            try:
                status, body = get(self.port)
            except OSError as error:
                self.failures.append(repr(error))
                continue
            if status != 200:
                self.failures.append(f"{status} {body[:100]}")
            self.answers["v2" if "v2" in body else "v1" if "v1" in body else body[:40]] += 1

    def end(self) -> None:
        self._ending.set()
        self.join()


def scenario(stack: Stack) -> None:
    print("== proxies and upstreams without a control plane")
    stack("up", "-d", "--no-deps", "--scale", f"proxy={PROXIES}", "proxy", "upstream-v1", "upstream-v2")
    proxies = stack.containers("proxy")
    assert len(proxies) == PROXIES, proxies
    wait_for("health checks have run", lambda: all(health_of(proxy) != "none" for proxy in proxies))
    wait_for("a proxy has been asked and is not ready", lambda: any(_probed(proxy) for proxy in proxies))
    assert all(health_of(proxy) != "healthy" for proxy in proxies), "a proxy without configuration says that it is ready"

    print("== the control plane comes, and with it the configuration")
    stack("up", "-d", "--scale", f"proxy={PROXIES}")
    wait_for("every proxy is healthy", lambda: all(health_of(proxy) == "healthy" for proxy in proxies))
    assert stack.containers("proxy") == proxies, "a proxy was replaced"
    assert all(inspect_quietly(proxy)["RestartCount"] == 0 for proxy in proxies), "a proxy was restarted"
    check_hardening([*proxies, *stack.containers("controlplane")])
    ports = [port_of(proxy) for proxy in proxies]
    for port in ports:
        wait_for(f"port {port} answers from the upstreams", lambda port=port: get(port)[0] == 200)

    print("== a changed weight reaches every proxy without a failed request")
    loads = [Load(port) for port in ports]
    for load in loads:
        load.start()
    config = (ROOT / "examples/compose/config/demo.yaml").read_text()
    apply(stack, config.replace("{name: v1, weight: 90}", "{name: v1, weight: 0}"))
    wait_for("only v2 answers", lambda: all(only(port, "v2") for port in ports))

    print("== the control plane stops and comes back under load")
    stack("stop", "controlplane")
    assert all(get(port)[0] == 200 for port in ports)
    stack("start", "controlplane")
    wait_for("the control plane is healthy", lambda: health_of(stack.containers("controlplane")[0]) == "healthy")
    apply(stack, config.replace("{name: v2, weight: 10}", "{name: v2, weight: 0}"))
    wait_for("only v1 answers", lambda: all(only(port, "v1") for port in ports))
    for load in loads[1:]:
        load.end()
    loads[0].end()

    print("== one proxy is killed, the others go on")
    survivors = [Load(port) for port in ports[1:]]
    for load in survivors:
        load.start()
    run("docker", "kill", proxies[0])
    wait_for("the survivors have answered", lambda: all(sum(load.answers.values()) > 100 for load in survivors))
    for load in survivors:
        load.end()

    for load in (*loads, *survivors):
        print(f"  port {load.port}: {dict(load.answers)}, {len(load.failures)} failed")
        assert not load.failures, load.failures[:5]
        assert set(load.answers) <= {"v1", "v2"}, load.answers


def _probed(container: str) -> bool:
    health = state_of(container).get("Health")
    return isinstance(health, dict) and bool(health.get("Log"))


def only(port: int, version: str) -> bool:
    return all(version in get(port)[1] for _ in range(20))


def apply(stack: Stack, config: str) -> None:
    """Through the API, from inside the network, with the token from the secret."""
    command = (*stack._compose, "run", "--rm", "-T", "--no-deps", "configure", "pointsman", "apply", "-f", "-")
    done = subprocess.run(command, cwd=ROOT, input=config, text=True, capture_output=True, check=False)
    assert done.returncode == 0, f"apply ended with {done.returncode}: {done.stdout}{done.stderr}"


def check_hardening(containers: Sequence[str]) -> None:
    for container in containers:
        facts = inspect(container)
        config, host = facts["Config"], facts["HostConfig"]
        assert isinstance(config, dict)
        assert isinstance(host, dict)
        assert config["User"] == "10001:10001", config["User"]
        assert host["ReadonlyRootfs"] is True
        assert host["CapDrop"] == ["ALL"]


def main() -> int:
    try:
        compose = compose_command()
        ensure_base_image()
    except NoEngine as missing:
        print(f"SKIPPED: {missing}")
        return 0
    fill_wheelhouse()
    token = Path(ROOT / "secrets/api_token")
    made_token = not token.exists()
    if made_token:
        token.parent.mkdir(exist_ok=True)
        token.write_text(secrets.token_hex(32))
        token.chmod(0o644)
    os.environ.setdefault("DOCKER_BUILDKIT", "0")
    stack = Stack(compose)
    try:
        stack("build", "--build-arg", "PIP_NO_INDEX=1", "--build-arg", f"BUILDER={BASE_IMAGE}", "controlplane")
        stack("down", "-v", "--remove-orphans")
        scenario(stack)
    except BaseException:
        print(stack("logs", "--tail=60", check=False))
        raise
    finally:
        stack("down", "-v", "--remove-orphans", check=False)
        if made_token:
            token.unlink()
    print("PASSED")
    return 0


if __name__ == "__main__":
    sys.exit(main())
