"""Requests that a cluster's endpoints want dropped: `drop_overloads` of their assignment.

Here: what is answered.  Not here: the share (compile.endpoint), when it is asked for (router.router).
Envoy: ClusterLoadAssignment.Policy.drop_overloads, Router::Filter::checkDropOverload.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from dataplane.observe import flags
from dataplane.semantics.header_map import Field


class Drop(NamedTuple):
    """Why a request is answered with 503.  field: tells the client, unless nothing of ours is to be told."""

    flag: int
    details: str
    body: bytes
    field: Field


_SOME: Final = Drop(flags.DROP_OVERLOAD, "drop_overload", b"drop overload", (b"x-envoy-drop-overload", b"true"))
_ALL: Final = Drop(
    flags.UNCONDITIONAL_DROP_OVERLOAD,
    "unconditional_drop_overload",
    b"unconditional drop overload",
    (b"x-envoy-unconditional-drop-overload", b"true"),
)


def drop(share: float, sample: float) -> Drop | None:
    """The answer to a request that is dropped, None for one that is not.  share: 0..1; sample: in [0, 1), drawn by the caller."""
    if share >= 1:
        return _ALL
    return _SOME if sample < share else None
