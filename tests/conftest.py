"""Makes `tests.support` importable from every test file, whatever directory pytest is started in.

With POINTSMAN_COMPILED=1 the proxies that tests start as processes have the compiled request path (tools.compiled), as the image has it; what
tests call in this process stays interpreted.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tests.support import fuzzing  # noqa: E402  # importable since the line above
from tools import compiled  # noqa: E402  # likewise

pytest_plugins = ["tests.support.parallel_runs", "tests.support.failure_reports"]

COMPILED = os.environ.get("POINTSMAN_COMPILED") == "1" and compiled.is_current()
if COMPILED:
    os.environ.update(compiled.environment())

fuzzing.load_profile()


def pytest_report_header() -> str:
    return f"proxies: {'compiled' if COMPILED else 'interpreted'}"
