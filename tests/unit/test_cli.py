"""The data plane's command line: what flags become."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from click.testing import CliRunner

from dataplane import cli
from dataplane.server.hot_restart.names import VERSION
from dataplane.server.options import Options


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Options]:
    """The options of every start, instead of a start."""
    found: list[Options] = []

    def run(options: Options) -> int:
        found.append(options)
        return 0

    monkeypatch.setattr(cli, "_run", run)
    monkeypatch.setattr(cli, "usable_processors", lambda: 6)
    return found


def call(*flags: str) -> str:
    result = CliRunner().invoke(cli.main, ["-c", "bootstrap.yaml", *flags])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize(("flags", "workers"), [((), 6), (("--concurrency", "3"), 3), (("--concurrency", "0"), 1)])
def test_workers(started: list[Options], flags: Sequence[str], workers: int) -> None:
    call(*flags)
    assert started[0].concurrency == workers


def test_hot_restart_flags(started: list[Options]) -> None:
    call(
        "--base-id",
        "0",
        "--restart-epoch",
        "2",
        "--socket-path",
        "/run/p",
        "--socket-mode",
        "644",
        "--skip-hot-restart-parent-stats",
    )
    [options] = started
    assert (options.base_id, options.base_id_given, options.restart_epoch) == (0, True, 2)
    assert (options.socket_path, options.socket_mode) == ("/run/p", 0o644)
    assert options.skip_hot_restart_parent_stats
    assert not options.ignored


def test_a_base_id_that_nobody_gave(started: list[Options]) -> None:
    call()
    assert not started[0].base_id_given


def test_what_excludes_each_other(started: list[Options]) -> None:
    refused = CliRunner().invoke(cli.main, ["-c", "x", "--use-dynamic-base-id", "--restart-epoch", "1"])
    assert refused.exit_code != 0
    assert "cannot use --restart-epoch=1 with --use-dynamic-base-id" in refused.output
    assert "invalid socket-mode '9'" in CliRunner().invoke(cli.main, ["-c", "x", "--socket-mode", "9"]).output
    assert not started


def test_the_version_of_hot_restart() -> None:
    assert CliRunner().invoke(cli.main, ["--hot-restart-version"]).output == f"{VERSION}\n"
    assert CliRunner().invoke(cli.main, ["--hot-restart-version", "--disable-hot-restart"]).output == "disabled\n"
