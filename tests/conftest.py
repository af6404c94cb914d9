"""Makes `tests.support` importable from every test file, whatever directory pytest is started in.

With POINTSMAN_COMPILED=1 the proxies that tests start as processes have the compiled request path (tools.compiled), as the image has it; what
tests call in this process stays interpreted.

Examples of hypothesis have no deadline: how long one takes on a machine that does other work as well says nothing about what is tested.
They are the same in every run, so that a change is judged by what it changes; `make fuzz` looks for others.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tools import compiled  # noqa: E402  # importable since the line above

pytest_plugins = ["tests.support.parallel_runs", "tests.support.failure_reports"]

COMPILED = os.environ.get("POINTSMAN_COMPILED") == "1" and compiled.is_current()
if COMPILED:
    os.environ.update(compiled.environment())

IS_FUZZING = bool(os.environ.get("POINTSMAN_FUZZ_EXAMPLES"))
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=not IS_FUZZING)
settings.load_profile("any machine")


def pytest_report_header() -> str:
    return f"proxies: {'compiled' if COMPILED else 'interpreted'}"
