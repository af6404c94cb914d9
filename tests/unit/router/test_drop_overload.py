"""Requests that a cluster's endpoints want dropped."""

from __future__ import annotations

import pytest

from dataplane.observe import flags
from dataplane.router.config import RouterConfig
from dataplane.router.drop_overload import drop
from tests.support.engine import Engine, get


@pytest.mark.parametrize(
    ("share", "sample", "flag"),
    [
        (1.0, 0.999, flags.UNCONDITIONAL_DROP_OVERLOAD),
        (0.5, 0.499, flags.DROP_OVERLOAD),
        (0.5, 0.5, None),
    ],
)
def test_who_is_dropped(share: float, sample: float, flag: int | None) -> None:
    dropped = drop(share, sample)
    assert (None if dropped is None else dropped.flag) == flag


def test_a_dropped_request_goes_nowhere() -> None:
    engine = Engine()
    engine.up.drop_overload = 1.0
    client = engine.connect()
    client.send(get())
    status, fields, body = client.take_response()
    assert (status, body) == (503, b"unconditional drop overload")
    assert fields[b"x-envoy-unconditional-drop-overload"] == b"true"
    assert not engine.up.exchanges
    info = engine.log.last
    assert (info.response_flags, info.response_code_details) == (flags.UNCONDITIONAL_DROP_OVERLOAD, "unconditional_drop_overload")
    assert (info.attempts, info.upstream_cluster) == (0, "up")
    assert engine.counter("cluster.up.upstream_rq_503") == 1
    assert (engine.up.rq_dropped, engine.up.rq_drop_overload) == (1, 1)


def test_a_quiet_router_does_not_say_why() -> None:
    engine = Engine(router=RouterConfig(suppress_envoy_headers=True, dynamic_stats=False))
    engine.up.drop_overload = 1.0
    client = engine.connect()
    client.send(get())
    assert b"x-envoy-unconditional-drop-overload" not in client.take_response()[1]
    assert "cluster.up.upstream_rq_503" not in engine.stats.counters
    assert (engine.up.rq_dropped, engine.up.rq_drop_overload) == (0, 1)
