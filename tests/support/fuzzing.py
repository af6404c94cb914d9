"""How many examples property tests try, and which: few and the same ones in every run, as many and as different as one likes by hand.

POINTSMAN_FUZZ_EXAMPLES=20000 .venv/bin/python -m pytest --timeout=0 tests/property

Here: everything that hypothesis is told about examples (ruff's banned-api keeps `settings` out of other files).
"""

from __future__ import annotations

import os
from collections.abc import Collection

from hypothesis import HealthCheck, settings

_ASKED_FOR = int(os.environ.get("POINTSMAN_FUZZ_EXAMPLES", "0"))
_USUAL = 100
_STEPS = 50


def load_profile() -> None:
    """For every property test, before any is made.

    Examples have no deadline: how long one takes on a machine that does other work as well says nothing about what is tested.
    They are the same in every run, so that a change is judged by what it changes; whoever asks for a number looks for others.
    """
    settings.register_profile(
        "any machine",
        max_examples=max(_USUAL, _ASKED_FOR),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        derandomize=not _ASKED_FOR,
    )
    settings.load_profile("any machine")


def fuzzed(usual: int, steps: int = _STEPS, accepts: Collection[HealthCheck] = ()) -> settings:
    """For a test that tries *usual* examples unless more are asked for.  steps: of a state machine.  accepts: what is no fault in it."""
    return settings(
        max_examples=max(usual, _ASKED_FOR),
        stateful_step_count=steps,
        suppress_health_check=[HealthCheck.too_slow, *accepts],
    )
