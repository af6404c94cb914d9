"""Two workers next to one, each on all cores: what a request costs where everybody competes for them.

On two cores this compares one proxy that has a core to itself with two that share both with load and upstream. What workers have to do with
it is in the scenario `workers`; Envoy's two threads next to its one are measured in the same way, in workers_of_envoy.
"""

from __future__ import annotations

from dataclasses import replace

from bench.scenarios import workers

SCENARIO = replace(
    workers.SCENARIO,
    name="workers_next_to_one",
    about="as h1 on all cores, with two workers and with one",
    target=None,
    reference="ours",
    only=("ours", "two-workers"),
)
