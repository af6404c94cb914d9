"""Two workers next to one, each on all cores: what it costs a request that the process has siblings, and what it gains.

On one core they would be measured against each other's time slices, which costs two proxies that are strangers just as much.
"""

from __future__ import annotations

from dataclasses import replace

from bench.scenarios import h1

SCENARIO = replace(
    h1.SCENARIO,
    name="workers",
    about="as h1 with one worker and with two, on all cores",
    target=1.1,
    subject="two-workers",
    reference="ours",
    only=("ours", "two-workers"),
    all_cores=True,
)
