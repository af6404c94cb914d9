"""What the main process and its workers say to each other.

A worker knows the start, then the facts of the board, then does what it is told; it answers each `Facts` with `Applied` when it lives by
them, and each `Ask` with `Told`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from dataplane.server.options import Options
from dataplane.server.workers.board import Key
from dataplane.upstream.facts import ClusterFacts

# -- to a worker


@dataclass(frozen=True, slots=True)
class Start:
    """Which worker it is, and what the process was started with.

    bootstrap: serialized, complete.  ticket_seed: the same for all workers, so that one resumes the TLS sessions of another.
    Two descriptors come along: of the counts that workers share, and of the failures that they count together.
    """

    index: int
    bootstrap: bytes
    options: Options
    ticket_seed: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is new on the board.  The descriptors that come along are those of the sockets among *changed*, in their order; each says how
    many are its.
    """

    changed: Mapping[Key, object]
    gone: Sequence[Key]


@dataclass(frozen=True, slots=True)
class ReopenLogs:
    pass


@dataclass(frozen=True, slots=True)
class ResetCounters:
    pass


@dataclass(frozen=True, slots=True)
class Ask:
    """number: comes back with the answer."""

    number: int
    what: Literal["stats", "clusters"]


@dataclass(frozen=True, slots=True)
class Stop:
    """End: close every connection, write what is buffered."""


# -- from a worker


@dataclass(frozen=True, slots=True)
class Ready:
    """The first word: everything is imported, `Start` may come."""


@dataclass(frozen=True, slots=True)
class Applied:
    """The last `Facts` is in use.  refused: what could not be compiled here although the main process could (a file has changed since)."""

    generation: int
    refused: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Connections:
    """How many downstream connections are open.  Told while they are asked to go.  closed: no more will come."""

    count: int
    closed: bool


@dataclass(frozen=True, slots=True)
class StatsReport:
    """What changed since the last report: totals, not differences.  gauges and texts: (value, whether it was ever set)."""

    counters: Mapping[str, int] = field(default_factory=dict)
    gauges: Mapping[str, tuple[int, bool]] = field(default_factory=dict)
    texts: Mapping[str, tuple[str, bool]] = field(default_factory=dict)
    histograms: Mapping[str, HistogramReport] = field(default_factory=dict)
    gone: Sequence[str] = ()
    connections: int = 0
    resident: int = 0  # bytes of memory


@dataclass(frozen=True, slots=True)
class HistogramReport:
    """As observe.stats.Histogram."""

    unit: str
    counts: Mapping[int, int]
    total: int
    interval: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Told:
    """The answer to an `Ask`."""

    number: int
    answer: StatsReport | Sequence[ClusterFacts]


@dataclass(frozen=True, slots=True)
class Drain:
    """The fact "drain".  seconds, gradual, spares_modify_only: see listener.manager.

    closed: nothing is accepted any more.  ending: connections go as soon as they are idle.
    """

    asked: bool = False
    seconds: float | None = None
    gradual: bool | None = None
    inbound_only: bool = False
    spares_modify_only: bool = False
    closed: bool = False
    closed_inbound_only: bool = False
    ending: bool = False

    @property
    def request(self) -> tuple[object, ...]:
        """What connections are asked: where it differs, they are asked anew."""
        return self.asked, self.seconds, self.gradual, self.inbound_only, self.spares_modify_only
