"""Shared by the tests of compiling."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest

from dataplane.api import registry
from dataplane.compile import support


@pytest.fixture
def own_support_table(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test declares as supported is forgotten after it: the table is one for the process."""
    registry.load_all()  # what is imported first within the test would be forgotten with it
    monkeypatch.setattr(support, "_TABLE", copy.deepcopy(support._TABLE))
    support.declarations.append("a test begins")
    yield
    support.declarations.append("a test ends")
