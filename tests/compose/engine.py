"""A Docker engine and compose, whichever of their commands this machine has, and a base image where no registry is to be had."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BASE_IMAGE = "python:3.11-slim-bookworm"


class NoEngine(Exception):
    """There is nothing here to run containers with; the text says what is missing."""


def run(*command: str, check: bool = True) -> str:
    """Run, show the command, return its output; a failure shows what it printed."""
    print("+", *command, flush=True)
    done = subprocess.run(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if check and done.returncode:
        print(done.stdout, flush=True)
        raise SystemExit(f"FAILED: {' '.join(command)} ended with {done.returncode}")
    return done.stdout


def compose_command() -> list[str]:
    """`docker compose` or `docker-compose`; NoEngine where there is neither, or no engine answers."""
    if shutil.which("docker") is None or _fails("docker", "info"):
        raise NoEngine("no Docker engine answers `docker info`")
    if not _fails("docker", "compose", "version"):
        return ["docker", "compose"]
    if shutil.which("docker-compose") is not None:
        return ["docker-compose"]
    raise NoEngine("neither `docker compose` nor `docker-compose` is installed")


def _fails(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode != 0


def ensure_base_image() -> None:
    """Have the Dockerfile's base, which is its builder here, too: already here, pulled, or made of Debian packages."""
    if not _fails("docker", "image", "inspect", BASE_IMAGE) or not _fails("docker", "pull", BASE_IMAGE):
        return
    if shutil.which("debootstrap") is None:
        raise NoEngine(f"{BASE_IMAGE} cannot be pulled and debootstrap is not installed")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        run(
            "debootstrap",
            "--variant=minbase",
            "--include=python3,python3-venv,python3-dev,gcc,libc6-dev,ca-certificates",
            "bookworm",
            str(root),
        )
        archive = Path(folder) / "base.tar"
        run("tar", "-C", str(root), "-cf", str(archive), ".")
        run("docker", "import", str(archive), BASE_IMAGE)


def fill_wheelhouse() -> None:
    """Put all wheels beside the Dockerfile, so that the build needs no network."""
    wheelhouse = ROOT / "wheelhouse"
    wheelhouse.mkdir(exist_ok=True)
    for name in ("runtime", "build"):
        requirements = str(ROOT / "requirements" / f"{name}.txt")
        run(
            sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:", "--python-version=3.11",
            "--implementation=cp", "--dest", str(wheelhouse), "--require-hashes", "-r", requirements,
        )  # fmt: skip


def inspect(container: str) -> dict[str, object]:
    found: list[dict[str, object]] = json.loads(run("docker", "inspect", container))
    return found[0]
