"""Results for people (a table) and for comparison over time (a JSON file)."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from bench.measure import Result, Sample

MIB = 1024 * 1024


def _row(name: str, samples: Sequence[Sample], result: Result) -> list[str]:
    ratio = result.ratio(name)
    shown = "bytes" if result.scenario.figure == "bytes" else "cpu"
    return [
        name,
        f"{median(sample.figure(shown) for sample in samples):.1f}",
        "-" if ratio is None else f"{ratio:.2f}",
        f"{median(sample.load.per_second for sample in samples):.0f}",
        f"{median(sample.load.p50_ms for sample in samples):.2f}",
        f"{median(sample.load.p99_ms for sample in samples):.2f}",
        f"{median(sample.memory.pss for sample in samples) / MIB:.0f}",
        f"{median(sample.memory.rss for sample in samples) / MIB:.0f}",
    ]


def print_table(result: Result, console: Console) -> None:
    table = Table(title=f"{result.scenario.name}: {result.scenario.about}", title_justify="left")
    table.add_column("proxy")
    unit = result.scenario.unit
    for heading in (
        f"{'bytes' if result.scenario.figure == 'bytes' else 'CPU µs'}/{unit}",
        f"ratio to {result.scenario.reference}",
        f"{unit}s/s",
        "p50 ms",
        "p99 ms",
        "PSS MiB",
        "RSS MiB",
    ):
        table.add_column(heading, justify="right")
    for name, samples in result.samples.items():
        table.add_row(*_row(name, samples, result))
    console.print(table)
    subject = result.scenario.subject
    ratio = result.ratio(subject)
    if ratio is not None:
        target = result.scenario.target
        verdict = "no target" if target is None else f"target {target}: {'met' if ratio <= target else 'MISSED'}"
        spread = ", ".join(f"{each:.2f}" for each in result.ratios(subject))
        console.print(f"{verdict} ({subject} to {result.scenario.reference}, rounds: {spread})")


def write_json(results: Sequence[Result], directory: Path) -> Path:
    """One file per run, named by its time; returns its path."""
    directory.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    path = directory / f"{now:%Y%m%dT%H%M%SZ}.json"
    machine = {"python": platform.python_version(), "kernel": platform.release(), "cores": os.cpu_count()}
    document = {"at": now.isoformat(), "machine": machine, "results": [result.as_json() for result in results]}
    path.write_text(json.dumps(document, indent=1) + "\n")
    return path
