"""What monitors read, and what they make of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dataplane.extensions.resource_monitors.cgroup_memory import CgroupMemory
from dataplane.extensions.resource_monitors.cpu_utilization import CpuUtilization
from dataplane.extensions.resource_monitors.fixed_heap import FixedHeap
from dataplane.extensions.resource_monitors.injected_resource import InjectedResource


@pytest.mark.parametrize(("text", "pressure"), [("0", 0.0), ("0.25\n", 0.25), ("1", 1.0)])
def test_an_injected_pressure(text: str, pressure: float, tmp_path: Path) -> None:
    (tmp_path / "p").write_text(text)
    assert InjectedResource(tmp_path / "p").pressure(0) == pressure


@pytest.mark.parametrize("text", ["", "much", "1.1", "-0.1"])
def test_an_injected_pressure_that_is_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "p").write_text(text)
    with pytest.raises(ValueError, match=r"could not convert|out of range"):
        InjectedResource(tmp_path / "p").pressure(0)


def test_the_heap_is_what_the_process_holds() -> None:
    size = 1 << 30
    pressure = FixedHeap(size).pressure(os.getpid())
    held = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    assert pressure * size >= held * 0.5
    assert FixedHeap(2 * size).pressure(os.getpid()) < pressure


@pytest.mark.parametrize(
    ("limit", "most", "pressure"), [("1000", 0, 0.5), ("1000", 800, 0.625), ("max", 800, 0.625), ("max", 0, 0.0)]
)
def test_memory_of_the_control_group(limit: str, most: int, pressure: float, tmp_path: Path) -> None:
    (tmp_path / "usage").write_text("500\n")
    (tmp_path / "limit").write_text(f"{limit}\n")
    nowhere = (tmp_path / "nowhere", tmp_path / "nowhere")
    assert CgroupMemory(most, (nowhere, (tmp_path / "usage", tmp_path / "limit"))).pressure(0) == pressure


def test_without_a_memory_controller_nothing_is_known(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no memory controller"):
        CgroupMemory(0, ((tmp_path / "none", tmp_path / "none"),)).pressure(0)


def test_the_processors_are_looked_at_between_two_times(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    monitor = CpuUtilization(stat)
    stat.write_text("cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 1 1 1 1\n")
    assert monitor.pressure(0) == 0.0
    stat.write_text("cpu  150 0 150 900 0 0 0 0 0 0\n")
    assert monitor.pressure(0) == pytest.approx(0.5 * 0.05)
    assert monitor.pressure(0) == pytest.approx(0.5 * 0.05)
    stat.write_text("cpus\n")
    with pytest.raises(ValueError, match="not understood"):
        monitor.pressure(0)
