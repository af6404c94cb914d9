"""xDS state-of-the-world protocol, one type URL, without I/O.

Here: names, version and nonce, what to send next.  Not here: gRPC (ads_stream), resources (store), waiting for dependencies (warming).
Every request repeats all names, the version last accepted and the nonce last answered.
Spec: xDS REST and gRPC protocol, "ACK/NACK and resource type instance version".
"""

from __future__ import annotations

from dataclasses import dataclass

from dataplane.xds.messages import SotwRequest
from dataplane.xds.subscription import Change, Subscription


@dataclass(slots=True)
class _Unanswered:
    nonce: str
    version_info: str


class Sotw:
    """What the client says of one type.  The version outlives a stream, the nonce does not."""

    __slots__ = ("_due", "_error", "_nonce", "_said", "_subscription", "_unanswered", "type_url", "version_info")

    def __init__(self, type_url: str, subscription: Subscription) -> None:
        self.type_url = type_url
        self.version_info = ""
        self._subscription = subscription
        self.open()

    def open(self) -> None:
        """A new stream: the server knows nothing of the old one."""
        self._nonce = ""
        self._error: str | None = None
        self._unanswered: _Unanswered | None = None
        self._due = bool(self._subscription)
        # Until a name was said on a stream, naming nothing means everything; from then on it means nothing.
        self._said: set[str] = set()

    def change(self, change: Change) -> None:
        """The subscription was given other names."""
        if change:
            self._due = True

    def received(self, nonce: str, version_info: str) -> None:
        """A response came in.  Exactly one of accept and refuse has to follow."""
        assert self._unanswered is None, "responses of a type are answered one by one"
        self._unanswered = _Unanswered(nonce, version_info)

    def accept(self) -> None:
        answered = self._answer()
        self.version_info = answered.version_info

    def refuse(self, error: str) -> None:
        self._answer()
        self._error = error

    def next_request(self) -> SotwRequest | None:
        """The request that is due, if any; it counts as sent."""
        # A request sent now would carry the new nonce with the old version, which reads as a refusal.
        if not self._due or self._unanswered is not None:
            return None
        self._due = False
        names = self._resource_names()
        if names is None:
            return None
        request = SotwRequest(self.type_url, names, self.version_info, self._nonce, self._error)
        self._error = None
        return request

    def told(self) -> bool:
        """Whether the server knows of every name that was dropped: each request says all that are wanted."""
        return not self._due

    def follows(self, name: str) -> bool:
        """Whether the server may believe that *name* is wanted.

        A request that crosses a response is too late and ignored, so no request is known to have been heeded.
        """
        return name in self._said

    def _answer(self) -> _Unanswered:
        answered = self._unanswered
        assert answered is not None, "nothing to answer"
        self._unanswered = None
        self._nonce = answered.nonce
        self._due = True
        return answered

    def _resource_names(self) -> tuple[str, ...] | None:
        """None: there is nothing to say, for nothing is wanted and nothing was."""
        if self._subscription.wildcard_only and not self._said:
            return ()
        names = self._subscription.names
        if not names and not self._said:
            return None
        self._said.update(names)
        return names
