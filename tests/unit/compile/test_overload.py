"""OverloadManager → settings, and what is wrong with it."""

from __future__ import annotations

from typing import Any

import pytest

from dataplane.compile.bootstrap import compile_bootstrap
from dataplane.compile.context import CompileContext
from dataplane.resilience.overload import LeastTime, Trigger
from dataplane.snapshot.overload import OverloadSettings
from tests.support.compiling import message

HEAP = "envoy.resource_monitors.fixed_heap"
REQUESTS = "envoy.overload_actions.stop_accepting_requests"
MONITOR = {
    "name": HEAP,
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig",
        "max_heap_size_bytes": 1000,
    },
}


def compiled(**manager: Any) -> tuple[OverloadSettings | None, list[str]]:
    context = CompileContext()
    config = compile_bootstrap(message("envoy.config.bootstrap.v3.Bootstrap", {"overload_manager": manager}), context)
    return config.overload, [str(error) for error in context.problems.errors]


def action(*triggers: dict[str, Any], name: str = REQUESTS) -> dict[str, Any]:
    return {"name": name, "triggers": triggers}


def test_thresholds_and_scales() -> None:
    settings, errors = compiled(
        resource_monitors=[MONITOR],
        actions=[
            action({"name": HEAP, "threshold": {"value": 0.9}}),
            action(
                {"name": HEAP, "scaled": {"scaling_threshold": 0.5, "saturation_threshold": 0.8}},
                name="envoy.overload_actions.disable_http_keepalive",
            ),
        ],
        refresh_interval="0.25s",
    )
    assert not errors
    assert settings is not None
    assert settings.refresh_interval == 0.25
    assert [name for name, _ in settings.monitors] == [HEAP]
    assert [each.triggers for each in settings.actions] == [((HEAP, Trigger(0.9, 0.9)),), ((HEAP, Trigger(0.5, 0.8)),)]


def test_without_a_monitor_nothing_is_measured() -> None:
    assert compiled() == (None, [])


AT_90 = {"name": HEAP, "threshold": {"value": 0.9}}
REDUCE = "envoy.overload_actions.reduce_timeouts"
RESET = "envoy.overload_actions.reset_high_memory_stream"
IDLE = {"timer": "HTTP_DOWNSTREAM_CONNECTION_IDLE", "min_timeout": "2s"}


def timers(*factors: dict[str, Any]) -> dict[str, Any]:
    kind = "type.googleapis.com/envoy.config.overload.v3.ScaleTimersOverloadActionConfig"
    return {"@type": kind, "timer_scale_factors": list(factors)}


def test_times_memory_and_points() -> None:
    flush = {"timer": "HTTP_DOWNSTREAM_STREAM_FLUSH", "min_scale": {"value": 25}}
    settings, errors = compiled(
        resource_monitors=[MONITOR],
        actions=[{**action(AT_90, name=REDUCE), "typed_config": timers(IDLE, flush)}, action(AT_90, name=RESET)],
        buffer_factory_config={"minimum_account_to_track_power_of_two": 20},
        loadshed_points=[action(AT_90, name="envoy.load_shed_points.tcp_listener_accept")],
    )
    assert not errors
    assert settings is not None
    assert [each.name for each in settings.actions] == [REDUCE, RESET]
    assert [each.name for each in settings.shed_points] == ["envoy.load_shed_points.tcp_listener_accept"]
    assert settings.smallest_held == 20
    assert settings.least_times == {
        "HTTP_DOWNSTREAM_CONNECTION_IDLE": LeastTime(seconds=2.0),
        "HTTP_DOWNSTREAM_STREAM_FLUSH": LeastTime(part=0.25),
    }


@pytest.mark.parametrize(
    ("manager", "error"),
    [
        ({"resource_monitors": [MONITOR, MONITOR]}, f"resource_monitors[1].name: Duplicate resource monitor {HEAP}"),
        (
            {"actions": [action(AT_90)]},
            f"actions[0].triggers[0].name: Unknown trigger resource {HEAP} for overload action {REQUESTS}",
        ),
        (
            {"resource_monitors": [MONITOR], "actions": [action(AT_90, AT_90)]},
            f"actions[0].triggers[1].name: Duplicate trigger resource for overload action {REQUESTS}",
        ),
        (
            {"resource_monitors": [MONITOR], "actions": [action(AT_90), action(AT_90)]},
            f"actions[1].name: Duplicate overload action {REQUESTS}",
        ),
        (
            {"resource_monitors": [MONITOR], "actions": [action(AT_90, name="envoy.overload_actions.think")]},
            "actions[0].name: Unknown Overload Manager Action envoy.overload_actions.think",
        ),
        (
            {"resource_monitors": [MONITOR], "actions": [action(AT_90, name=REDUCE)]},
            f'actions[0]: Overload action "{REDUCE}" requires typed_config',
        ),
        (
            {"resource_monitors": [MONITOR], "actions": [{**action(AT_90), "typed_config": timers(IDLE)}]},
            f'actions[0].typed_config: Overload action name "{REQUESTS}" conflicts with its typed config',
        ),
        (
            {"resource_monitors": [MONITOR], "actions": [{**action(AT_90, name=REDUCE), "typed_config": timers(IDLE, IDLE)}]},
            "actions[0].typed_config.timer_scale_factors[1].timer: "
            "Found duplicate entry for timer type HTTP_DOWNSTREAM_CONNECTION_IDLE",
        ),
        (
            {"resource_monitors": [MONITOR], "actions": [action(AT_90, name=RESET)]},
            f'actions[0]: Overload action "{RESET}" requires buffer_factory_config.',
        ),
        (
            {"resource_monitors": [MONITOR], "loadshed_points": [action(AT_90, name="p"), action(AT_90, name="p")]},
            "loadshed_points[1].name: Duplicate loadshed point p",
        ),
        (
            {"loadshed_points": [action(AT_90, name="p")]},
            f"loadshed_points[0].triggers[0].name: Unknown trigger resource {HEAP} for loadshed point p",
        ),
        (
            {
                "resource_monitors": [MONITOR],
                "actions": [action({"name": HEAP, "scaled": {"scaling_threshold": 0.8, "saturation_threshold": 0.8}})],
            },
            "actions[0].triggers[0].scaled: scaling_threshold must be less than saturation_threshold",
        ),
    ],
)
def test_errors(manager: dict[str, Any], error: str) -> None:
    assert compiled(**manager)[1] == [f"overload_manager.{error}"]
