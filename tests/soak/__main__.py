"""`python -m tests.soak --minutes N`: full load with configuration churn; ends with 1 where something was not given back."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path

from tests.soak.leaky_process import PLANTS
from tests.soak.run import Soak
from tools import compiled

INTERVAL = 5.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--compiled", action="store_true", help="the data plane of `make compiled`")
    parser.add_argument("--plant", choices=PLANTS, help="have the proxy leak this, to see that it is noticed")
    arguments = parser.parse_args()
    if arguments.compiled:
        if not compiled.is_current():
            parser.error("build/compiled is not what `make compiled` would make now")
        os.environ.update(compiled.environment())
    with tempfile.TemporaryDirectory(prefix="soak-") as directory:
        soak = Soak(arguments.minutes * 60, Path(directory), INTERVAL, tell=lambda sample: print(sample, flush=True))
        soak.planted = (arguments.plant,) if arguments.plant else ()
        report = asyncio.run(soak.run())
    print(report)
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
