"""xDS incremental protocol, one type URL, without I/O.

Here: what to subscribe and unsubscribe, what is had already, what to acknowledge.  Not here: gRPC (ads_stream), resources (store).
An acknowledgement never changes the subscription and a change never acknowledges: servers tell the two apart by the nonce.
Spec: xDS REST and gRPC protocol, "Incremental xDS".
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

from dataplane.xds.messages import DeltaRequest
from dataplane.xds.subscription import Change, Subscription


class Delta:
    """What the client says of one type.  versions: the resources that are had, asked for when a stream opens."""

    __slots__ = ("_answers", "_first", "_nonce", "_sent", "_subscribe", "_subscription", "_unsubscribe", "_versions", "type_url")

    def __init__(self, type_url: str, subscription: Subscription, versions: Callable[[], Mapping[str, str]]) -> None:
        self.type_url = type_url
        self._subscription = subscription
        self._versions = versions
        self.open()

    def open(self) -> None:
        """A new stream: the whole subscription is said anew, with the versions that are had."""
        self._first = True
        self._nonce: str | None = None
        self._answers: deque[DeltaRequest] = deque()
        self._sent: set[str] = set()
        self._subscribe: dict[str, None] = {}
        self._unsubscribe: dict[str, None] = {}

    def change(self, change: Change) -> None:
        """The subscription was given other names."""
        if self._first:
            return
        for name in change.dropped:
            self._subscribe.pop(name, None)
            if name in self._sent:
                self._unsubscribe[name] = None
        for name in change.added:
            # Dropped and wanted again before the server heard of it: nothing changed for the server.
            if name in self._unsubscribe:
                del self._unsubscribe[name]
            else:
                self._subscribe[name] = None

    def received(self, nonce: str, version_info: str) -> None:
        """A response came in.  Exactly one of accept and refuse has to follow.  version_info plays no part in this protocol."""
        assert self._nonce is None, "responses of a type are answered one by one"
        self._nonce = nonce

    def accept(self) -> None:
        self._answer(None)

    def refuse(self, error: str) -> None:
        self._answer(error)

    def next_request(self) -> DeltaRequest | None:
        """The request that is due, if any; it counts as sent."""
        if self._first:
            return self._first_request()
        if self._answers:
            return self._answers.popleft()
        if not self._subscribe and not self._unsubscribe:
            return None
        subscribe, unsubscribe = tuple(self._subscribe), tuple(self._unsubscribe)
        self._subscribe.clear()
        self._unsubscribe.clear()
        self._sent.difference_update(unsubscribe)
        self._sent.update(subscribe)
        return DeltaRequest(self.type_url, subscribe, unsubscribe)

    def told(self) -> bool:
        """Whether the server knows of every name that was dropped."""
        return not self._unsubscribe

    def follows(self, name: str) -> bool:
        """Whether the server may believe that *name* is wanted."""
        return name in self._sent

    def _first_request(self) -> DeltaRequest | None:
        if not self._subscription:
            return None
        self._first = False
        names = self._subscription.names
        self._sent.update(names)
        # Servers that do not know `*` know this older form of the wildcard: the first request names nothing.
        said = () if self._subscription.wildcard_only else names
        return DeltaRequest(self.type_url, said, initial_resource_versions=self._versions())

    def _answer(self, error: str | None) -> None:
        assert self._nonce is not None, "nothing to answer"
        self._answers.append(DeltaRequest(self.type_url, response_nonce=self._nonce, error=error))
        self._nonce = None
