"""How many examples a property test tries: few in every run, as many as one likes by hand.

POINTSMAN_FUZZ_EXAMPLES=20000 .venv/bin/pytest --timeout=0 tests/property
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_AT_LEAST = int(os.environ.get("POINTSMAN_FUZZ_EXAMPLES", "0"))


def fuzzed(usual: int) -> settings:
    """For a test that tries *usual* examples unless more are asked for."""
    return settings(max_examples=max(usual, _AT_LEAST), deadline=None, suppress_health_check=[HealthCheck.too_slow])
