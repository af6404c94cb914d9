"""The xDS client with resources in files: the first load, moves into place, bad files."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import uvloop
from envoy.service.discovery.v3 import discovery_pb2

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.xds.source import PathSource
from dataplane.xds.status import ClientStatus
from dataplane.xds.subscription import WILDCARD
from dataplane.xds.types import CLUSTER, ENDPOINT
from tests.support.management_server import any_of
from tests.support.waiting import wait_until_async
from tests.support.xds_decoder import body
from tests.support.xds_recorder import Recorder

pytestmark = pytest.mark.e2e

Talk = Callable[[Recorder], Awaitable[None]]


def parse(content: bytes, path: str) -> bytes:
    """One resource a line: `name=text`, after the version in the first line."""
    version, *lines = content.decode().splitlines()
    if version == "unreadable":
        raise ConfigError(FieldPath(path), "not understood")
    resources = [any_of(body(*line.split("=")), CLUSTER) for line in lines]
    return bytes(discovery_pb2.DiscoveryResponse(version_info=version, resources=resources).SerializeToString())


def move_into_place(path: Path, *lines: str) -> None:
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
        file.write("\n".join(lines))
    os.rename(file.name, path)


def run(talk: Talk) -> None:
    async def scenario() -> None:
        async with Recorder(parse_file=parse) as recorder:
            await talk(recorder)

    asyncio.run(scenario())


def test_a_file_is_read_at_the_start_and_after_every_move(tmp_path: Path) -> None:
    path = tmp_path / "cds"
    move_into_place(path, "v1", "a=x", "b=y")

    async def talk(recorder: Recorder) -> None:
        recorder.subscribe(CLUSTER, WILDCARD, PathSource(str(path)))
        await recorder.has(CLUSTER, {"a": "x", "b": "y"})
        assert (CLUSTER, None) in recorder.settled
        move_into_place(path, "v2", "a=z")
        await recorder.has(CLUSTER, {"a": "z"})
        assert recorder.status(CLUSTER).version_info == "v2"
        assert recorder.counter("test.*.update_success") == 2

    run(talk)


def test_a_file_subscribed_to_before_the_start_is_read_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "cds"
    move_into_place(path, "v1", "a=x")

    async def scenario() -> None:
        recorder = Recorder(parse_file=parse)
        recorder.subscribe(CLUSTER, WILDCARD, PathSource(str(path)))
        assert recorder.values == {}
        async with recorder:
            await recorder.has(CLUSTER, {"a": "x"})

    uvloop.run(scenario())


def test_a_bad_resource_keeps_its_last_value(tmp_path: Path) -> None:
    path = tmp_path / "cds"
    move_into_place(path, "v1", "a=x", "b=y")

    async def talk(recorder: Recorder) -> None:
        recorder.subscribe(CLUSTER, WILDCARD, PathSource(str(path)))
        await recorder.has(CLUSTER, {"a": "x", "b": "y"})
        move_into_place(path, "v2", "a=bad", "b=z")
        await recorder.has(CLUSTER, {"a": "x", "b": "z"})
        assert recorder.counter("test.*.update_rejected") == 1
        assert recorder.resource(CLUSTER, "a").client_status is ClientStatus.NACKED
        assert recorder.status(CLUSTER).last_error == "Error adding/updating cluster(s) Thing{a}.text: is bad"

    run(talk)


@pytest.mark.parametrize("bad", ["unreadable", "gone"])
def test_a_bad_file_is_a_failure_that_is_told_and_changes_nothing(tmp_path: Path, bad: str) -> None:
    path = tmp_path / "cds"
    move_into_place(path, "v1", "a=x")

    async def talk(recorder: Recorder) -> None:
        recorder.subscribe(CLUSTER, WILDCARD, PathSource(str(path), str(tmp_path)))
        await recorder.has(CLUSTER, {"a": "x"})
        if bad == "gone":
            path.unlink()
            move_into_place(tmp_path / "signal")
        else:
            move_into_place(path, "unreadable")
        await wait_until_async(lambda: recorder.counter("test.*.update_failure") == 1, "a failure")
        assert str(path) in recorder.status(CLUSTER).last_error
        assert recorder.values[CLUSTER] == {"a": "x"}
        move_into_place(path, "v2", "a=z")
        await recorder.has(CLUSTER, {"a": "z"})
        assert recorder.status(CLUSTER).last_error == ""

    run(talk)


def test_the_file_may_come_later_than_its_subscription(tmp_path: Path) -> None:
    path = tmp_path / "cds"

    async def talk(recorder: Recorder) -> None:
        recorder.subscribe(CLUSTER, WILDCARD, PathSource(str(path)))
        await wait_until_async(lambda: recorder.counter("test.*.update_failure") == 1, "a failure")
        move_into_place(path, "v1", "a=x")
        await recorder.has(CLUSTER, {"a": "x"})

    run(talk)


def test_a_watched_directory_is_told_of_any_move_inside_it(tmp_path: Path) -> None:
    """The way a mounted ConfigMap changes: files are links through `..data`, and that link is moved."""
    path, mount = tmp_path / "mount" / "cds", tmp_path / "mount"
    mount.mkdir()
    for revision, text in (("r1", "x"), ("r2", "y")):
        (mount / revision).mkdir()
        move_into_place(mount / revision / "cds", revision, f"a={text}")
    (mount / "..data").symlink_to("r1")
    path.symlink_to("..data/cds")

    async def talk(recorder: Recorder) -> None:
        recorder.subscribe(CLUSTER, WILDCARD, PathSource(str(path), str(mount)))
        await recorder.has(CLUSTER, {"a": "x"})
        (mount / "..next").symlink_to("r2")
        os.rename(mount / "..next", mount / "..data")
        await recorder.has(CLUSTER, {"a": "y"})

    run(talk)


def test_other_files_of_the_directory_are_no_signal(tmp_path: Path) -> None:
    path = tmp_path / "cds"
    move_into_place(path, "v1", "a=x")

    async def talk(recorder: Recorder) -> None:
        recorder.subscribe(CLUSTER, WILDCARD, PathSource(str(path)))
        await recorder.has(CLUSTER, {"a": "x"})
        path.write_text("v2\na=y")  # in place: no signal either
        move_into_place(tmp_path / "other", "v3", "a=z")
        recorder.subscribe(ENDPOINT, ("a",), PathSource(str(tmp_path / "other")))
        await wait_until_async(lambda: recorder.counter("test.a.update_rejected"), "the other file")
        assert recorder.values == {CLUSTER: {"a": "x"}}

    run(talk)


def test_names_wanted_later_are_read_from_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "cds"
    move_into_place(path, "v1", "a=x", "b=y")

    async def talk(recorder: Recorder) -> None:
        source = PathSource(str(path))
        recorder.subscribe(CLUSTER, ("a",), source)
        await recorder.has(CLUSTER, {"a": "x"})
        recorder.client.set_names(CLUSTER, source, ("a", "b"))
        await recorder.has(CLUSTER, {"a": "x", "b": "y"})
        recorder.client.set_names(CLUSTER, source, ("a",))
        assert list(recorder.status(CLUSTER).resources) == ["a"]

    run(talk)


def test_a_directory_that_is_missing_is_refused(tmp_path: Path) -> None:
    async def talk(recorder: Recorder) -> None:
        with pytest.raises(ConfigError, match=r"cannot watch .*/none: No such file or directory"):
            recorder.subscribe(CLUSTER, WILDCARD, PathSource(str(tmp_path / "none" / "cds")))

    run(talk)


def test_without_a_parser_files_are_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        with pytest.raises(ConfigError, match="files are not supported here"):
            Recorder().subscribe(CLUSTER, WILDCARD, PathSource(str(tmp_path / "cds")))

    asyncio.run(scenario())
