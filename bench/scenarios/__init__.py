"""Scenarios, one file each; a file defines `SCENARIO` and is found by its name."""

from __future__ import annotations

import importlib
import pkgutil

from bench.scenario import Scenario


def names() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str) -> Scenario:
    scenario = importlib.import_module(f"{__name__}.{name}").SCENARIO
    assert isinstance(scenario, Scenario)
    return scenario
