"""A bootstrap's own parts → BootstrapConfig."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dataplane.compile.bootstrap import BootstrapConfig, compile_bootstrap
from dataplane.compile.context import CompileContext
from dataplane.observe.formatter_context import FormatterContext
from dataplane.observe.stream_info import StreamInfo
from dataplane.resilience.watchdog import WatchdogSettings
from dataplane.snapshot.watchdogs import WatchdogsSettings
from tests.support.compiling import message


def compiled(content: dict[str, Any], context: CompileContext | None = None) -> BootstrapConfig:
    context = context or CompileContext()
    config = compile_bootstrap(message("envoy.config.bootstrap.v3.Bootstrap", content), context)
    context.problems.raise_if_any()
    return config


def errors(content: dict[str, Any]) -> list[str]:
    context = CompileContext()
    compile_bootstrap(message("envoy.config.bootstrap.v3.Bootstrap", content), context)
    return [f"{error.at}: {error.reason}" for error in context.problems.errors]


def file_log(path: object, text: str) -> dict[str, Any]:
    return {
        "name": "file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": str(path),
            "log_format": {"text_format_source": {"inline_string": text}},
        },
    }


def test_requests_to_the_admin_endpoint_are_logged_to_every_file(tmp_path: Path) -> None:
    context = CompileContext()
    admin = {"access_log": [file_log(tmp_path / "a", "%RESPONSE_CODE%\n")], "access_log_path": str(tmp_path / "b")}
    config = compiled({"admin": admin}, context)
    info = StreamInfo()
    info.response_code = 405
    for logger in config.admin_access_loggers:
        logger.log(FormatterContext(info))
    context.log_files.close()
    assert (tmp_path / "a").read_text() == "405\n"
    assert ' 405 - 0 0 - - "-"' in (tmp_path / "b").read_text()


def test_a_log_of_the_admin_endpoint_that_cannot_be_is_told_with_its_place() -> None:
    admin = {"access_log": [file_log("/no/such/directory/a", "%NOPE%")], "access_log_path": "/no/such/directory/b"}
    assert [error.partition(":")[0] for error in errors({"admin": admin})] == [
        "admin.access_log[0].typed_config.log_format.text_format_source",
        "admin.access_log_path.typed_config.path",
    ]


def test_without_a_matcher_every_stat_is_kept() -> None:
    assert compiled({}).rejects_stat is None


def test_a_matcher_says_which_stats_are_not_kept() -> None:
    rejects = compiled(
        {"stats_config": {"stats_matcher": {"inclusion_list": {"patterns": [{"prefix": "cluster."}]}}}}
    ).rejects_stat
    assert rejects is not None
    assert [rejects("cluster.a.x"), rejects("server.live")] == [False, True]


def test_a_bad_pattern_is_told_with_its_place() -> None:
    matcher = {"exclusion_list": {"patterns": [{"safe_regex": {"regex": "("}}]}}
    [error] = errors({"stats_config": {"stats_matcher": matcher}})
    assert error.startswith("stats_config.stats_matcher.exclusion_list.patterns[0].safe_regex.regex: ")


CONNECTIONS = {
    "name": "envoy.resource_monitors.global_downstream_max_connections",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
        "max_active_downstream_connections": 7,
    },
}
RUNTIME = {
    "layers": [{"name": "a", "static_layer": {"overload.global_downstream_max_connections": 3}}],
}


def test_connections_are_limited_by_their_monitor_or_by_the_runtime() -> None:
    monitors = {"resource_monitors": [CONNECTIONS]}
    assert compiled({}).connection_limit is None
    assert compiled({"overload_manager": monitors}).connection_limit == 7
    assert compiled({"layered_runtime": RUNTIME}).connection_limit == 3
    assert compiled({"overload_manager": monitors, "layered_runtime": RUNTIME}).connection_limit == 7


def test_a_monitor_is_told_by_its_name_and_given_once() -> None:
    assert errors({"overload_manager": {"resource_monitors": [CONNECTIONS, CONNECTIONS]}}) == [
        "overload_manager.resource_monitors[1].name: "
        "Duplicate resource monitor envoy.resource_monitors.global_downstream_max_connections"
    ]
    [error] = errors({"overload_manager": {"resource_monitors": [{**CONNECTIONS, "name": "mine"}]}})
    assert error.startswith("overload_manager.resource_monitors[0].name: ")


def test_watchdogs() -> None:
    times = {"miss_timeout": "0.5s", "megamiss_timeout": "2s", "kill_timeout": "3s", "max_kill_timeout_jitter": "1s"}
    many = {"multikill_timeout": "4s", "multikill_threshold": {"value": 40}}
    full = WatchdogSettings(0.5, 2.0, 3.0, 1.0, 4.0, 0.4)
    assert compiled({}).watchdogs == WatchdogsSettings(WatchdogSettings(), WatchdogSettings())
    assert compiled({"watchdogs": {"worker_watchdog": {**times, **many}}}).watchdogs == WatchdogsSettings(worker=full)
    assert compiled({"watchdog": {**times, **many}}).watchdogs == WatchdogsSettings(full, full)
    assert errors({"watchdogs": {"worker_watchdog": {"kill_timeout": "-1s"}}}) == [
        "watchdogs.worker_watchdog.kill_timeout: Invalid duration: Expected positive duration: seconds -1, nanos 0"
    ]
