"""Two outcomes of one case, side by side.

The list of what is *not* compared is NORMALISATIONS (always) and OPTIONAL (where a case names it); everything else counts,
the order of headers included.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable

from tests.differential.conversation import Outcome, Transcript
from tests.differential.framing import read_head

# What one run gives and another cannot repeat.
NORMALISATIONS: tuple[tuple[re.Pattern[bytes], bytes], ...] = (
    (re.compile(rb"(?i)(?<=\r\ndate: )\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT(?=\r\n)"), b"<now>"),
    (re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[49ab][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"), b"<uuid>"),
    (re.compile(rb"(?i)(?<=x-envoy-upstream-service-time: )\d+"), b"<ms>"),
)


def merge_chunks(data: bytes) -> bytes:
    """Join the chunks of every chunked message: for bodies whose chunks depend on how reads happened to fall."""
    return re.sub(rb"(?:(?:(?<=\r\n)[0-9a-f]+\r\n.*?\r\n)+)(?=0\r\n)", _joined_chunks, data, flags=re.DOTALL)


def _joined_chunks(found: re.Match[bytes]) -> bytes:
    data = found[0]
    joined = bytearray()
    at = 0
    while at < len(data):
        line_end = data.index(b"\r\n", at)
        size = int(data[at:line_end], 16)
        joined += data[line_end + 2 : line_end + 2 + size]
        at = line_end + 2 + size + 2
    return b"%x\r\n%b\r\n" % (len(joined), bytes(joined))


def sort_headers(data: bytes) -> bytes:
    """Sort the fields of the first message: for headers whose order Envoy itself leaves to a hash table."""
    head = read_head(data, 0)
    if head is None:
        return data
    lines = data[: head.end - 4].split(b"\r\n")
    return b"\r\n".join([lines[0], *sorted(lines[1:])]) + data[head.end - 4 :]


def expected_timeout(data: bytes) -> bytes:
    """What is left of the time limit when a retry is sent depends on the retry's random delay."""
    return re.sub(rb"((?:x-envoy-expected-rq-timeout-ms|grpc-timeout): )\d+", rb"\1<ms>", data)


def last_words(data: bytes) -> bytes:
    """Envoy closes a broken HTTP/2 connection without a word; we say why, with RST_STREAM and GOAWAY."""
    return re.sub(rb"(?:^|\r\n)(?:stream 0\r\ngoaway \d+|(?:stream \d+\r\n)?reset 1)(?=\r\n|$)", b"", data).removeprefix(b"\r\n")


def messaging_rule(line: bytes) -> bytes:
    """Of a broken HTTP/2 message the library does not say whether a field or the whole was wrong (docs/differences.md)."""
    return line.replace(b"http2.violation.of.messaging.rule", b"http2.invalid.header.field")


OPTIONAL: dict[str, Callable[[bytes], bytes]] = {
    "merge chunks": merge_chunks,
    "sort headers": sort_headers,
    "expected timeout": expected_timeout,
    "last words": last_words,
    "messaging rule": messaging_rule,
}
OF_LOGS = frozenset({"messaging rule"})
# For upstreams that close at once: how much of a request they got to see is a race.
SKIP_UPSTREAM = "skip upstream"


def normalise(data: bytes, optional: tuple[str, ...] = ()) -> bytes:
    for pattern, replacement in NORMALISATIONS:
        data = pattern.sub(replacement, data)
    for name in optional:
        if name != SKIP_UPSTREAM:
            data = OPTIONAL[name](data)
    return data


def _wire_lines(name: str, transcript: Transcript, optional: tuple[str, ...]) -> list[str]:
    text = normalise(transcript.received, optional).decode("latin-1")
    lines = [f"{name} | {line!r}" for line in text.split("\r\n")]
    return [*lines, f"{name} | {'closed by the proxy' if transcript.ended else 'left open'}"]


def render(outcome: Outcome, optional: tuple[str, ...] = ()) -> list[str]:
    """An outcome as lines of text: what is equal reads equal."""
    lines = [f"stuck: {what}" for what in sorted(outcome.stuck)]
    for name, transcript in outcome.clients.items():
        lines += _wire_lines(f"{name} got", transcript, optional)
    for name, transcripts in outcome.upstreams.items():
        for number, transcript in enumerate(() if SKIP_UPSTREAM in optional else transcripts, 1):
            lines += _wire_lines(f"{name}#{number} got", transcript, optional)
    of_logs = tuple(name for name in optional if name in OF_LOGS)
    lines += [f"log | {normalise(line.encode(), of_logs).decode()}" for line in outcome.access_log]
    lines += [f"stat | {name}: {value}" for name, value in outcome.stats.items()]
    return lines


def differences(envoy: Outcome, ours: Outcome, optional: tuple[str, ...] = ()) -> str:
    """Empty when the outcomes agree, else a readable diff: "-" is Envoy, "+" is ours."""
    left, right = render(envoy, optional), render(ours, optional)
    if left == right:
        return ""
    return "\n".join(line.rstrip("\n") for line in difflib.unified_diff(left, right, "envoy", "ours", n=2, lineterm=""))
