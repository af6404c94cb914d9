"""Messages and descriptors over a socket pair, however little of them the other side takes at once."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Any

import pytest

from dataplane.server.channel import JSON, PICKLE, Channel, Encoding
from tests.support.waiting import wait_until_async


class End:
    """One end that keeps what it got."""

    def __init__(self, sock: socket.socket, encoding: Encoding = PICKLE) -> None:
        self.got: list[tuple[Any, list[int]]] = []
        self.ended = 0
        self.channel = Channel(sock, lambda message, descriptors: self.got.append((message, descriptors)), self._on_end, encoding)

    def _on_end(self) -> None:
        self.ended += 1

    @property
    def messages(self) -> list[Any]:
        return [message for message, _ in self.got]


def pair(encoding: Encoding = PICKLE) -> tuple[End, End]:
    one, other = socket.socketpair()
    return End(one, encoding), End(other, encoding)


@pytest.mark.parametrize("encoding", [PICKLE, JSON])
def test_messages_arrive_whole_and_in_order(encoding: Encoding) -> None:
    async def scenario() -> None:
        one, other = pair(encoding)
        sent = [{"number": number, "text": "x" * (number * 50_000)} for number in range(20)]
        for message in sent:
            one.channel.send(message)
        await wait_until_async(lambda: len(other.got) == 20, "all messages")
        assert other.messages == sent
        one.channel.close()
        await wait_until_async(lambda: other.ended == 1, "the end")
        assert one.ended == 0

    asyncio.run(scenario())


def test_both_directions_at_once() -> None:
    async def scenario() -> None:
        one, other = pair()
        for number in range(100):
            one.channel.send(("from one", number, b"x" * 10_000))
            other.channel.send(("from other", number, b"y" * 10_000))
        await wait_until_async(lambda: len(one.got) == len(other.got) == 100, "all messages")
        assert [message[1] for message in one.messages] == list(range(100))
        one.channel.close()
        other.channel.close()

    asyncio.run(scenario())


def test_descriptors_come_with_their_message() -> None:
    """More of them than the kernel takes in one control message, and those of a message that waits for room."""

    async def scenario() -> None:
        one, other = pair()
        read, write = os.pipe()
        one.channel.send(b"x" * 3_000_000)  # more than the socket holds
        one.channel.send("many", [write] * 450)
        one.channel.send("none")
        one.channel.send("one", [write])
        os.close(write)  # its copies live
        await wait_until_async(lambda: len(other.got) == 4, "all messages")
        assert [(message, len(descriptors)) for message, descriptors in other.got[1:]] == [("many", 450), ("none", 0), ("one", 1)]
        for number, descriptor in enumerate(descriptor for _, descriptors in other.got for descriptor in descriptors):
            os.write(descriptor, b"%d," % number)
            os.close(descriptor)
        assert os.read(read, 10_000).count(b",") == 451
        assert os.read(read, 1) == b""  # nobody holds another copy
        os.close(read)
        one.channel.close()
        other.channel.close()

    asyncio.run(scenario())


def test_nobody_waits_for_an_end_that_does_not_read() -> None:
    async def scenario() -> None:
        ours, theirs = socket.socketpair()
        end = End(ours)
        for _ in range(100):
            end.channel.send(b"x" * 100_000)
        theirs.close()
        await wait_until_async(lambda: end.ended == 1, "the end")
        assert not end.channel.open
        end.channel.send("too late")
        end.channel.close()

    asyncio.run(scenario())


def test_what_a_closed_channel_has_not_sent_leaves_no_descriptor_open() -> None:
    async def scenario() -> None:
        ours, theirs = socket.socketpair()
        end = End(ours)
        read, write = os.pipe()
        end.channel.send(b"x" * 3_000_000)
        end.channel.send("waits", [write])
        end.channel.close()
        os.close(write)
        assert os.read(read, 1) == b""
        os.close(read)
        theirs.close()

    asyncio.run(scenario())
