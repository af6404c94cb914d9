"""`dataplane`: Envoy's command line.

Here: flags and what their combinations allow.  Not here: anything they cause (server).
Flags that have no meaning in this implementation are accepted, and named in a debug line at the start: launchers pass a fixed set.
Envoy: operations/cli.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

import click
from click.core import ParameterSource

from dataplane.base.version import version_string
from dataplane.observe.log import UnknownLevel, level_number, parse_component_levels
from dataplane.server.hot_restart.names import VERSION
from dataplane.server.options import Options
from dataplane.server.processors import usable_processors
from dataplane.server.workers.spawn import spawn

_STATS_TAG = re.compile(r"^([A-Za-z0-9_]+):([^.]+)$")

# Accepted because launchers pass them; each is about something that only Envoy's C++ process has.
_KNOWINGLY_IGNORED = {
    "enable_core_dump": "core dumps are the interpreter's and the system's business",
    "enable_mutex_tracing": "there are no such mutexes",
    "enable_fine_grain_logging": "loggers are per component",
    "disable_extensions": "extensions are loaded on first use",
    "log_stacktrace_single_entry": "a traceback is one record already",
    "log_format_escaped": "messages hold no raw control characters",
    "bootstrap_version": "only v3 exists",
}


def _level(context: click.Context, parameter: click.Parameter, value: str) -> str:
    try:
        level_number(value)
    except UnknownLevel as error:
        raise click.BadParameter(str(error)) from error
    return value


def _component_levels(context: click.Context, parameter: click.Parameter, value: str) -> str:
    try:
        parse_component_levels(value)
    except UnknownLevel as error:
        raise click.BadParameter(str(error)) from error
    return value


def _tags(context: click.Context, parameter: click.Parameter, values: Sequence[str]) -> tuple[tuple[str, str], ...]:
    tags: dict[str, str] = {}
    for value in values:
        found = _STATS_TAG.match(value)
        if found is None:
            raise click.BadParameter(f"misformatted stats-tag '{value}', expected tag:value")
        if found[1] in tags:
            raise click.BadParameter(f"the stats tag '{found[1]}' is given twice")
        tags[found[1]] = found[2]
    return tuple(tags.items())


def _mode(context: click.Context, parameter: click.Parameter, value: str) -> int:
    try:
        return int(value, 8)
    except ValueError as error:
        raise click.BadParameter(f"invalid socket-mode '{value}'") from error


def _ignored_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    for name in ("enable-core-dump", "enable-mutex-tracing", "enable-fine-grain-logging", "log-stacktrace-single-entry",
                 "log-format-escaped"):  # fmt: skip
        command = click.option(f"--{name}", is_flag=True, hidden=True)(command)
    for name in ("disable-extensions", "bootstrap-version"):
        command = click.option(f"--{name}", default="", hidden=True)(command)
    return command


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-c", "--config-path", default="", help="Bootstrap: YAML, JSON or protobuf, told by its extension or its content.")
@click.option("--config-yaml", default="", help="Bootstrap text that is merged over the file.")
@click.option("--mode", type=click.Choice(["serve", "validate", "init_only"]), default="serve", show_default=True)
@click.option("--concurrency", type=click.IntRange(min=0), default=None, help="Number of workers.  [default: one per processor]")
@click.option("--cpuset-threads", is_flag=True, help="Count the processors this process may use, not all of the machine.")
@click.option("--service-cluster", default="", help="Node cluster, unless the bootstrap names one.")
@click.option("--service-node", default="", help="Node id, unless the bootstrap names one.")
@click.option("--service-zone", default="", help="Node zone, unless the bootstrap names one.")
@click.option(
    "-l", "--log-level", default="info", callback=_level, show_default=True, help="trace|debug|info|warning|error|critical|off"
)
@click.option("--component-log-level", default="", callback=_component_levels, help="For example upstream:debug,config:trace")
@click.option("--log-format", default="", help="spdlog pattern.")
@click.option("--log-path", default="", help="Log to this file instead of stderr.")
@click.option("--drain-time-s", type=click.IntRange(min=0), default=600, show_default=True)
@click.option("--drain-strategy", type=click.Choice(["gradual", "immediate"]), default="gradual", show_default=True)
@click.option(
    "--parent-shutdown-time-s",
    type=click.IntRange(min=0),
    default=900,
    show_default=True,
    help="Hot restart: when the old process ends.",
)
@click.option("--local-address-ip-version", type=click.Choice(["v4", "v6"]), default="v4")
@click.option(
    "--file-flush-interval-msec", type=click.IntRange(min=1), default=10_000, help="How long an access-log line may wait."
)
@click.option("--file-flush-min-size-kb", type=click.IntRange(min=0), default=64, help="Write when this much is waiting.")
@click.option("--allow-unknown-static-fields", is_flag=True, help="Count unknown bootstrap fields instead of refusing them.")
@click.option("--allow-unknown-fields", is_flag=True, hidden=True)
@click.option("--reject-unknown-dynamic-fields", is_flag=True, help="Refuse discovered resources that have unknown fields.")
@click.option("--ignore-unknown-dynamic-fields", is_flag=True, hidden=True)
@click.option("--skip-deprecated-logs", is_flag=True, help="No warnings about deprecated fields.")
@click.option("--disable-hot-restart", is_flag=True, help="Neither take over nor hand over.")
@click.option(
    "--restart-epoch", type=click.IntRange(min=0), default=0, help="0, or one more than the process that this one replaces."
)
@click.option(
    "--base-id", type=click.IntRange(min=0), default=0, help="Tells proxies of one machine apart; the same for all epochs."
)
@click.option("--use-dynamic-base-id", is_flag=True, help="Find a base id that nobody has; only in epoch 0.")
@click.option("--base-id-path", default="", help="Write the base id to this file.")
@click.option("--socket-path", default="@envoy_domain_socket", show_default=True, help="Where the epochs find each other.")
@click.option("--socket-mode", default="600", callback=_mode, show_default=True, help="Permissions of that socket, octal.")
@click.option(
    "--skip-hot-restart-on-no-parent", is_flag=True, help="Start as usual where there is no process of the epoch before."
)
@click.option("--skip-hot-restart-parent-stats", is_flag=True, help="Begin with fresh statistics.")
@click.option("--hot-restart-version", is_flag=True, help="Print which processes can replace each other, and exit.")
@click.option("--admin-address-path", default="", help="Write the address of the admin endpoint to this file.")
@click.option("--stats-tag", "stats_tags", multiple=True, callback=_tags, help="tag:value, put on every stat; may be repeated.")
@click.option(
    "--journal-path", default="", help="Keep what was discovered in this file, and start from it without a control plane."
)
@click.option("--journal-secrets", is_flag=True, help="Keep private keys there, too.")
@click.option("--version", is_flag=True, help="Print the version and exit.")
@_ignored_flags
def main(**flags: Any) -> None:
    """Run the Pointsman data plane: a proxy that reads Envoy's v3 bootstrap."""
    if flags.pop("version"):
        click.echo(f"\n{sys.argv[0]}  version: {version_string()}\n")
        return
    if flags.pop("hot_restart_version"):
        click.echo("disabled" if flags["disable_hot_restart"] else VERSION)
        return
    options = _options(flags)
    if not options.config_path and not options.config_yaml:
        raise click.UsageError("At least one of --config-path or --config-yaml should be non-empty")
    sys.exit(_run(options))


def _options(flags: dict[str, Any]) -> Options:
    ignored = tuple(name for name in _KNOWINGLY_IGNORED if flags.pop(name))
    flags["allow_unknown_static_fields"] |= flags.pop("allow_unknown_fields")
    if flags.pop("ignore_unknown_dynamic_fields") and flags["reject_unknown_dynamic_fields"]:
        raise click.UsageError("--reject-unknown-dynamic-fields and --ignore-unknown-dynamic-fields exclude each other")
    if flags["use_dynamic_base_id"] and flags["restart_epoch"]:
        raise click.UsageError(f"cannot use --restart-epoch={flags['restart_epoch']} with --use-dynamic-base-id")
    flags["base_id_given"] = click.get_current_context().get_parameter_source("base_id") is not ParameterSource.DEFAULT
    concurrency = flags["concurrency"]
    flags["concurrency"] = usable_processors() if concurrency is None else max(1, concurrency)
    flags["drain_time"] = flags.pop("drain_time_s")
    flags["parent_shutdown_time"] = flags.pop("parent_shutdown_time_s")
    return Options(**flags, ignored=ignored)


def _run(options: Options) -> int:
    if options.mode == "validate":
        from dataplane.server.validate import validate

        return validate(options)
    # Workers import what they need while this process does, and then wait for it.
    spawned = [spawn() for _ in range(options.concurrency)] if options.mode == "serve" and options.concurrency > 1 else []
    from dataplane.server.process import serve

    return serve(options, spawned)
