"""`python -m bench [SCENARIO …]`: measure, print a table, write bench-results/<time>.json.

Ends with 1 when a scenario's ratio (to Envoy, most of them) is above its target (with --strict).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console

from bench import proxies, report, scenarios
from bench.measure import measure
from tools import compiled

RESULTS = Path(__file__).resolve().parent.parent / "bench-results"


@click.command()
@click.argument("names", nargs=-1, metavar="[SCENARIO]...")
@click.option("--proxies", "chosen", default=",".join(proxies.USUAL), show_default=True, help="which, in this order")
@click.option("--rounds", default=5, show_default=True, help="how often each proxy is measured, in turn")
@click.option("--seconds", default=5.0, show_default=True, help="of load per measurement")
@click.option("--strict", is_flag=True, help="end with 1 when a target is missed")
@click.option("--results", default=RESULTS, type=click.Path(path_type=Path), help="directory for the JSON file")
def main(names: tuple[str, ...], chosen: str, rounds: int, seconds: float, strict: bool, results: Path) -> None:
    """Measure SCENARIOs (all of them when none is named)."""
    console = Console(width=110)
    console.print(
        f"ours is {'compiled' if compiled.is_current() else 'interpreted: `make compiled` was not run for these sources'}"
    )
    measured = []
    for name in names or scenarios.names():
        with tempfile.TemporaryDirectory(prefix="pointsman-bench-") as directory:
            result = measure(scenarios.load(name), chosen.split(","), rounds, seconds, Path(directory))
        report.print_table(result, console)
        measured.append(result)
    console.print(f"written: {report.write_json(measured, results)}")
    missed = [
        result.scenario.name
        for result in measured
        if result.scenario.target is not None and (result.ratio(result.scenario.subject) or 0) > result.scenario.target
    ]
    if strict and missed:
        sys.exit(f"target missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
