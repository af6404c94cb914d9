"""Two workers next to two proxies of one worker each: what it costs a request that a process has siblings.

Both pairs have all cores, one port where the kernel spreads connections, the same load and the same upstream; the only difference is that two
workers share limits and statistics, and have a main process. That is what "with two workers" can cost and an operator can avoid.
One worker that is alone (`ours` in the table) is under other conditions: it has a core that nobody else uses, while load and upstream have the
other. A second worker, of whatever kind, takes that away: see workers_next_to_one.
"""

from __future__ import annotations

from dataclasses import replace

from bench.scenarios import h1

SCENARIO = replace(
    h1.SCENARIO,
    name="workers",
    about="as h1 on all cores: two workers, and two proxies of one worker each that share a port",
    target=1.1,
    subject="two-workers",
    reference="strangers",
    only=("ours", "strangers", "two-workers"),
    all_cores=True,
)
