"""Show what Envoy (or with --ours our data plane) does with some cases: `python -m tests.differential TOPIC[/NAME] …`."""

from __future__ import annotations

import asyncio
import itertools
import sys
import tempfile
from pathlib import Path

from tests.differential.case import Case, load_cases
from tests.differential.group import Result, run_or_refuse
from tests.support.envoy_process import envoy_process
from tests.support.our_process import our_process
from tests.support.proxy_process import ProxyRefusedError


def _readable(data: bytes) -> str:
    text = repr(data)[2:-1] if len(data) < 4000 else f"{data[:2000]!r} ... {len(data)} bytes"
    return text.replace("\\r\\n", "\n    ").rstrip()


def _show(case: Case, outcome: Result) -> None:
    print(f"=== {case.id}: {case.about}")
    if isinstance(outcome, ProxyRefusedError):
        print(f"refused: {outcome}")
        return
    for name, transcript in outcome.clients.items():
        print(f"{name} got ({'closed' if transcript.ended else 'open'}):")
        print("    " + _readable(transcript.received))
    for name, transcripts in outcome.upstreams.items():
        for transcript in transcripts:
            print(f"{name} got ({'closed' if transcript.ended else 'open'}):")
            print("    " + _readable(transcript.received))
    for line in outcome.access_log + outcome.stuck:
        print("  log", line)
    if "--stats" in sys.argv:
        print("  stats", {name: value for name, value in outcome.stats.items() if value})


def main() -> None:
    wanted = [word for word in sys.argv[1:] if not word.startswith("--")]
    start = our_process if "--ours" in sys.argv else envoy_process
    cases = [case for case in load_cases() if not wanted or any(case.id.startswith(word) for word in wanted)]
    cases.sort(key=lambda case: case.group)
    for _, group in itertools.groupby(cases, key=lambda case: case.group):
        members = list(group)
        with tempfile.TemporaryDirectory() as directory:
            outcomes = asyncio.run(run_or_refuse(members, start, Path(directory)))
        for case in members:
            _show(case, outcomes[case.id])


if __name__ == "__main__":
    main()
