"""`python -m tests.soak --minutes N`: full load with configuration churn; ends with 1 where something was not given back."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.soak.run import Soak

INTERVAL = 5.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    seconds = parser.parse_args().minutes * 60
    with tempfile.TemporaryDirectory(prefix="soak-") as directory:
        report = asyncio.run(Soak(seconds, Path(directory), INTERVAL, tell=lambda sample: print(sample, flush=True)).run())
    print(report)
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
