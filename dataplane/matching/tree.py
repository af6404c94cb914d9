"""The unified matcher: a decision tree over values that inputs read from a subject.

Here: walking the tree.  Not here: protobuf (compile.matcher_tree), which inputs and actions there are (whoever compiles a tree).
A branch whose nested tree finds nothing counts as one that did not match.
Envoy: xds.type.matcher.v3.Matcher, Matcher::MatchTree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from dataplane.matching.cidr import IpAddress, IpNetwork, parse_address

ResultT = TypeVar("ResultT", covariant=True)

Input = Callable[[Any], str | None]
"""What a subject says; None where it has nothing to say, which matches nothing."""

Predicate = Callable[[Any], bool]


class Node(Protocol[ResultT]):
    """Part of a tree."""

    def find(self, subject: object) -> ResultT | None:
        """What the tree says of *subject*; None: nothing."""


@dataclass(frozen=True, slots=True)
class Leaf(Generic[ResultT]):
    result: ResultT

    def find(self, subject: object) -> ResultT | None:
        return self.result


@dataclass(frozen=True, slots=True)
class Nothing:
    """Where the way ends without a result."""

    def find(self, subject: object) -> None:
        return None


@dataclass(frozen=True, slots=True)
class FirstOf(Generic[ResultT]):
    """The first branch whose predicate holds and which finds something."""

    branches: Sequence[tuple[Predicate, Node[ResultT]]]
    otherwise: Node[ResultT]

    def find(self, subject: object) -> ResultT | None:
        for holds, node in self.branches:
            if holds(subject):
                found = node.find(subject)
                if found is not None:
                    return found
        return self.otherwise.find(subject)


@dataclass(frozen=True, slots=True)
class ExactMap(Generic[ResultT]):
    read: Input
    branches: Mapping[str, Node[ResultT]]
    otherwise: Node[ResultT]

    def find(self, subject: object) -> ResultT | None:
        value = self.read(subject)
        node = None if value is None else self.branches.get(value)
        found = None if node is None else node.find(subject)
        return self.otherwise.find(subject) if found is None else found


@dataclass(frozen=True, slots=True)
class PrefixMap(Generic[ResultT]):
    """The branch with the longest prefix that finds something.  branches: the longest first."""

    read: Input
    branches: Sequence[tuple[str, Node[ResultT]]]
    otherwise: Node[ResultT]

    def find(self, subject: object) -> ResultT | None:
        value = self.read(subject)
        for prefix, node in () if value is None else self.branches:
            if value is not None and value.startswith(prefix):
                found = node.find(subject)
                if found is not None:
                    return found
        return self.otherwise.find(subject)


@dataclass(frozen=True, slots=True)
class IpRange(Generic[ResultT]):
    """exclusive: not asked where a narrower range around the address has found nothing."""

    network: IpNetwork
    node: Node[ResultT]
    exclusive: bool = False


@dataclass(frozen=True, slots=True)
class IpMap(Generic[ResultT]):
    """The narrowest range around an address that finds something.  ranges: the narrowest first."""

    read: Input
    ranges: Sequence[IpRange[ResultT]]
    otherwise: Node[ResultT]

    def find(self, subject: object) -> ResultT | None:
        value = self.read(subject)
        address = None if value is None else parse_address(value)
        around = [each for each in self.ranges if address is not None and _holds(each.network, address)]
        for place, each in enumerate(around):
            found = None if place and each.exclusive else each.node.find(subject)
            if found is not None:
                return found
        return self.otherwise.find(subject)


def _holds(network: IpNetwork, address: IpAddress) -> bool:
    return network.version == address.version and address in network
