"""How many workers there are by default."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dataplane.server.processors import usable_processors


@pytest.fixture(autouse=True)
def eight_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))


def test_without_a_control_group_all_processors_of_the_mask_count(tmp_path: Path) -> None:
    assert usable_processors(tmp_path) == 8


@pytest.mark.parametrize(
    ("limit", "workers"),
    [("max 100000", 8), ("200000 100000", 2), ("250000 100000", 2), ("50000 100000", 1), ("1600000 100000", 8), ("nonsense", 8)],
)
def test_a_limit_of_version_2(tmp_path: Path, limit: str, workers: int) -> None:
    (tmp_path / "cpu.max").write_text(limit + "\n")
    assert usable_processors(tmp_path) == workers


@pytest.mark.parametrize(("quota", "workers"), [("-1", 8), ("300000", 3)])
def test_a_limit_of_version_1(tmp_path: Path, quota: str, workers: int) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(quota + "\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert usable_processors(tmp_path) == workers
