r"""Steps of a scripted peer, as case files write them.

A step is a mapping with one of these keys (those marked * may carry a body: `body`, or `chunks` with `trailers`):

    head*        lines of a message head; lines end with CRLF, the empty line at the end is added
    bytes        exact text as YAML gives it; in double quotes \r, \n and \xNN are bytes
    repeat       {bytes, times}: long things
    h2           frames of a peer that speaks HTTP/2 (h2_talk.py)
    await        response, request, head, eof, continue, or {client: text}, {upstream: text}, {mark: name}; over HTTP/2 {streams: how many
                 have ended}, {begun: how many have begun}, {told: text}, which looks for it in what came as h2_talk.readable tells it
    mark         a name another connection may await
    close, half_close, reset, pause, resume    what is done to the connection

`split: [n, …]` on a sending step writes the bytes in pieces, `split: each` byte by byte.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.differential import h2_talk

ACTIONS = frozenset({"close", "half_close", "reset", "pause", "resume"})
MAIN_KEYS = frozenset({"head", "bytes", "repeat", "h2", "await", "mark", *ACTIONS})
EXTRA_KEYS = frozenset({"body", "chunks", "trailers", "split"})


@dataclass(frozen=True, slots=True)
class Send:
    """Bytes to write, in these pieces."""

    pieces: tuple[bytes, ...]
    request_methods: tuple[bytes, ...] = ()
    """Methods of the requests in it, as far as the step says: whoever sends them expects as many responses."""
    head_only: tuple[bytes, ...] = ()
    """The same message without its body: what answers a HEAD request."""
    http2: bool = False


@dataclass(frozen=True, slots=True)
class Await:
    """What to wait for; `text` for the kinds that look for one."""

    kind: str
    text: bytes = b""


@dataclass(frozen=True, slots=True)
class Act:
    """Something done to the connection, or a mark set: `what` is one of ACTIONS, or "mark"."""

    what: str
    name: str = ""


Step = Send | Await | Act


def speaks_http2(steps: tuple[Step, ...]) -> bool:
    return any(isinstance(step, Send) and step.http2 for step in steps)


def to_bytes(text: str) -> bytes:
    """Code points below 256 are bytes, so that "\\xff" in a YAML string is one byte."""
    return text.encode("latin-1")


def _lines(text: str) -> bytes:
    return b"".join(to_bytes(line) + b"\r\n" for line in text.rstrip("\n").split("\n"))


def _chunks(chunks: list[str], trailers: str) -> bytes:
    framed = b"".join(b"%x\r\n%b\r\n" % (len(to_bytes(chunk)), to_bytes(chunk)) for chunk in chunks)
    return framed + b"0\r\n" + (_lines(trailers) if trailers else b"") + b"\r\n"


def _message(step: Mapping[str, Any]) -> bytes:
    data = _lines(step["head"]) + b"\r\n"
    if "chunks" in step:
        return data + _chunks(step["chunks"], step.get("trailers", ""))
    return data + to_bytes(step.get("body", ""))


def _split(data: bytes, split: object) -> tuple[bytes, ...]:
    if split is None:
        return (data,)
    if split == "each":
        return tuple(data[at : at + 1] for at in range(len(data)))
    assert isinstance(split, list), f"split: a list of offsets or 'each', not {split!r}"
    edges = [0, *split, len(data)]
    return tuple(data[start:end] for start, end in itertools.pairwise(edges))


def _parse_await(wanted: object) -> Await:
    if isinstance(wanted, str):
        if wanted not in ("response", "request", "head", "eof", "continue"):
            raise ValueError(f"await: unknown {wanted!r}")
        return Await(wanted)
    assert isinstance(wanted, dict), f"await: {wanted!r}"
    [(kind, text)] = wanted.items()
    if kind not in ("client", "upstream", "mark", "streams", "begun", "told"):
        raise ValueError(f"await: unknown {kind!r}")
    return Await(kind, to_bytes(str(text)))


def parse_step(step: Mapping[str, Any] | str) -> Step:
    """One step of a case file; a bare word stands for an action."""
    if isinstance(step, str):
        step = {step: True}
    keys = set(step)
    main = keys & MAIN_KEYS
    if len(main) != 1 or keys - MAIN_KEYS - EXTRA_KEYS:
        raise ValueError(f"a step has one main key and no unknown ones: {sorted(keys)}")
    key = main.pop()
    if key == "await":
        return _parse_await(step["await"])
    if key == "mark":
        return Act("mark", str(step["mark"]))
    if key in ACTIONS:
        return Act(key)
    methods: tuple[bytes, ...] = ()
    head_only: tuple[bytes, ...] = ()
    if key == "head":
        data = _message(step)
        methods = (data.split(b" ", 1)[0],)
        head_only = (_lines(step["head"]) + b"\r\n",)
    elif key == "h2":
        data = b"".join(map(h2_talk.encode, step["h2"]))
    elif key == "bytes":
        data = to_bytes(step["bytes"])
    else:
        data = to_bytes(step["repeat"]["bytes"]) * int(step["repeat"]["times"])
    return Send(_split(data, step.get("split")), methods, head_only, key == "h2")


def parse_script(steps: Any) -> tuple[Step, ...]:
    """A list of steps, or one step alone."""
    if not isinstance(steps, list):
        steps = [steps]
    return tuple(parse_step(step) for step in steps)
