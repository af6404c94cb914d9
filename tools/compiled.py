"""The request path as machine code: `python -m tools.compiled` makes build/compiled, the data plane with its hottest modules compiled by mypyc.

The sources stay what they are, Python that also runs without this; what is compiled is the same text, with the types that are checked anyway.
`PYTHONPATH=build/compiled PYTHONSAFEPATH=1` runs it.  What a compiled module must keep to: docs/decisions/0009-a-compiled-request-path.md.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Final

import click

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "compiled"
_STAMP: Final = "SOURCES"

# What every request passes through, by package; with the bases of its classes, since a compiled class wants compiled ones.
COMPILED: Final = {
    "api": "transport_socket",
    "balancing": "host maglev_entries policies",
    "base": "counts deadlines failures write_queue",
    "extensions/common": "line_logger",
    "extensions/transport_sockets/tls": "facts transport",
    "http": "config connection_manager date filter_chain filter_way logged_connection manager peer request_headers request_id "
    "response_headers stats stream stream_response stream_state stream_times",
    "http/codec": "h1 h1_response h2 h2_held h2_stream",
    "listener": "connection listener",
    "observe": "format formatter_context http2_stats log_file stats stream_info text_pieces timestamps",
    "resilience": "circuit retry",
    "router": "attempt balancing config request_plan response retries router scheme state timers virtual_clusters",
    "routing": "actions route table",
    "semantics": "c_heads framing grpc h1_fields h1_head h2_headers h2_session header_map hop_by_hop noticed path spelt_heads",
    "snapshot": "snapshot",
    "upstream": "answer_counters cluster cluster_manager cluster_stats h1_connection h1_writer h2_connection h2_reader h2_stream h2_writer "
    "host pool pool_h1 pool_h2 pool_settings",
}

_SETUP: Final = """
from mypyc.build import mypycify
from setuptools import setup
extensions = mypycify({arguments!r}, opt_level="2", debug_level="0", group_name="dataplane_compiled", target_dir={target!r})
setup(name="dataplane-compiled", packages=[], ext_modules=extensions)
"""

_MYPY: Final = """
[mypy]
ignore_missing_imports = true
[mypy-envoy.*,validate.*,udpa.*,xds.*,google.*]
follow_imports = skip
"""


def modules() -> list[str]:
    """The compiled ones, relative to the folder that holds `dataplane`."""
    return [f"dataplane/{package}/{name}.py" for package, names in COMPILED.items() for name in names.split()]


def fingerprint() -> str:
    """Of everything that a build is made from."""
    digest = hashlib.sha256(f"{sys.version} {version('mypy')} {sys.platform}".encode())
    for path in [Path(__file__), *sorted((ROOT / "dataplane").rglob("*.py"))]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def is_current(build: Path = BUILD) -> bool:
    """Whether *build* was made from the sources as they are."""
    stamp = build / _STAMP
    return stamp.is_file() and stamp.read_text() == fingerprint()


def environment(build: Path = BUILD) -> dict[str, str]:
    """What makes an interpreter, and those that it starts, run *build*."""
    return {"PYTHONPATH": str(build), "PYTHONSAFEPATH": "1"}


def compile_into(build: Path) -> None:
    """Make *build* anew, as a whole or not at all."""
    made = build.with_name(f"{build.name}.{os.getpid()}")
    work = made.with_suffix(".work")
    try:
        ignored = shutil.ignore_patterns("__pycache__", "*.so")
        shutil.copytree(ROOT / "dataplane", made / "dataplane", ignore=ignored)
        stamp = fingerprint()
        _run_compiler(made, work)
        (made / _STAMP).write_text(stamp)
        shutil.rmtree(build, ignore_errors=True)
        made.rename(build)
    finally:
        shutil.rmtree(made, ignore_errors=True)
        shutil.rmtree(work, ignore_errors=True)


def _run_compiler(directory: Path, work: Path) -> None:
    work.mkdir(parents=True)
    configuration, setup = work / "mypy.ini", work / "setup.py"
    configuration.write_text(_MYPY)
    setup.write_text(_SETUP.format(arguments=[f"--config-file={configuration}", *modules()], target=str(work / "c")))
    command = [sys.executable, str(setup), "--quiet", "build", "--build-base", str(work / "b"), "build_ext", "--inplace"]
    done = subprocess.run(
        command, cwd=directory, env={**os.environ, "MYPYPATH": str(directory)}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"the request path could not be compiled:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")


@click.command()
@click.option("--output", type=click.Path(path_type=Path), default=BUILD, show_default=True, help="the folder to make")
@click.option("--optional", is_flag=True, help="without a C compiler, say so and do nothing")
def main(output: Path, optional: bool) -> None:
    """Compile the request path, unless the build there is current."""
    if is_current(output):
        return
    if optional and shutil.which("cc") is None:
        print("no C compiler: the request path stays interpreted", file=sys.stderr)
        return
    compile_into(output.resolve())


if __name__ == "__main__":
    main()
