"""Responses and their answers, for one type on one stream: nonces, ACK, NACK.

Here: which response an incoming request answers, and what was sent, accepted and refused last.
Not here: what to send (sotw, delta), when (order).
Spec: xDS REST and gRPC protocol, "ACK/NACK and resource type instance version", "Resource updates" (stale nonces).

One response of a type is on its way at a time: the next waits for the answer, for a while.  A client that is slow to answer
therefore skips intermediate states instead of queueing them.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import Enum, auto

from controlplane.base.resource import Revision
from controlplane.delivery.snapshot import NO_REVISION, TypeView


class Answer(Enum):
    """What a request says about the responses before it."""

    ACK = auto()
    NACK = auto()
    SPONTANEOUS = auto()  # answers nothing: the first request of a type, or a changed subscription
    STALE = auto()  # answers a response that a newer one has overtaken


@dataclass(frozen=True, slots=True)
class Stamp:
    """A response, or an answer, as status tells of it.  journey: which of the proxy's journeys it belongs to (proxy)."""

    version: str
    revision: Revision
    journey: int
    wall: float


@dataclass(frozen=True, slots=True)
class Sent:
    """A response on its way.  names: the resources in it, to be found in view."""

    stamp: Stamp
    view: TypeView
    names: Collection[str]


NEVER = Stamp("", NO_REVISION, 0, 0.0)


# Answers that may still come for overtaken responses: Envoy owes one for every response it got while clusters were warming.
MAX_OVERTAKEN = 16


class Exchange:
    """The book of one type's responses on one stream.

    answers_each: delta clients answer every response; SotW clients only the last one, and whatever speaks of another is stale.
    """

    __slots__ = (
        "_answers_each",
        "_count",
        "_overtaken",
        "_prefix",
        "acked",
        "nack_text",
        "nacked",
        "nonce",
        "refused",
        "sent",
        "waiting",
    )

    def __init__(self, prefix: str, answers_each: bool) -> None:
        self._prefix = prefix
        self._answers_each = answers_each
        self._overtaken: dict[str, Sent] = {}
        self._count = 0
        self.nonce = ""
        self.waiting: Sent | None = None
        self.sent = NEVER
        self.acked = NEVER
        self.nacked = NEVER
        self.nack_text = ""
        self.refused = Refused()

    def send(self, response: Sent) -> str:
        """Note a response and return its nonce."""
        if self.waiting is not None and self._answers_each:
            self._overtaken[self.nonce] = self.waiting
            if len(self._overtaken) > MAX_OVERTAKEN:
                del self._overtaken[next(iter(self._overtaken))]
        self._count += 1
        self.nonce = f"{self._prefix}{self._count}"
        self.waiting = response
        self.sent = response.stamp
        return self.nonce

    def receive(self, nonce: str, error: str | None, wall: float) -> Answer:
        """Say what a request with this nonce answers.  error: the text of its error_detail, None where it has none.

        A request may repeat an answered nonce to change its subscription; only the first one is the answer.  Before anything
        was sent no nonce can be stale: a client that carried one over from its last stream is starting.
        """
        if not nonce or not self.nonce or (nonce == self.nonce and self.waiting is None):
            return Answer.SPONTANEOUS
        answered = self._take_answered(nonce)
        if answered is None:
            return Answer.STALE
        stamp = replace(answered.stamp, wall=wall)
        if error is None:
            self.acked = stamp
            self.refused.accept(answered.names)
            return Answer.ACK
        self.nacked, self.nack_text = stamp, error
        self.refused.refuse(answered, error)
        return Answer.NACK

    def _take_answered(self, nonce: str) -> Sent | None:
        if nonce != self.nonce:
            return self._overtaken.pop(nonce, None)
        answered, self.waiting = self.waiting, None
        return answered


class Refused:
    """Which resources, as far as it can be known, the client was sent last and did not take.

    A NACK speaks of a whole response, yet Envoy, gRPC and our own proxies keep its good resources and name the bad ones in the
    text.  Resources named there stay refused until they change and are accepted, or are gone.  Where the text names none, only
    the next ACK can tell that the client has recovered.
    """

    __slots__ = ("_unknown", "versions")

    def __init__(self) -> None:
        self.versions: dict[str, str] = {}
        self._unknown = False

    def __bool__(self) -> bool:
        return self._unknown or bool(self.versions)

    def refuse(self, response: Sent, text: str) -> None:
        bad = [name for name in response.names if _names(text, name)]
        if not bad and len(response.names) == 1:
            bad = list(response.names)
        self.versions.update((name, response.view.version_of(name)) for name in bad)
        self._unknown = self._unknown or not bad

    def accept(self, names: Collection[str]) -> None:
        self._unknown = False
        for name in self.versions.keys() & set(names) if self.versions else ():
            del self.versions[name]

    def forget_all_but(self, names: Collection[str]) -> None:
        """The client wants only these now."""
        self._unknown = self._unknown and bool(names)
        for name in self.versions.keys() - set(names) if self.versions else ():
            del self.versions[name]

    def forget_changed(self, view: TypeView) -> None:
        """The client shall have *view* now: what is no longer in it as refused does not count any more."""
        for name, version in list(self.versions.items()):
            if view.version_of(name) != version:
                del self.versions[name]


def _names(text: str, name: str) -> bool:
    """Whether *text* names *name* as a word of its own: `web` is not named by `web-canary`."""
    return name in text and re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-]|\.\w)", text) is not None
