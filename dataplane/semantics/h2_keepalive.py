"""PINGs on an HTTP/2 connection that find out whether the peer is still there.

Here: when to send one, when to give up.  Not here: frames (h2_session), what giving up means (the codec).
Envoy: config.core.v3.KeepaliveSettings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataplane.base.deadlines import Deadline, DeadlineWheel
    from dataplane.semantics.h2_options import KeepaliveSettings
    from dataplane.semantics.h2_session import H2Session


class Pinged(Protocol):
    """A connection that is watched."""

    session: H2Session

    def enlist(self) -> None:
        """Have what the session wants to say written soon."""

    def on_keepalive_timeout(self) -> None: ...


class Keepalive:
    """Of one connection.  chance: a sample in [0, 1) per call."""

    __slots__ = ("_chance", "_connection", "_deadline", "_deadlines", "_settings", "_waiting")

    def __init__(
        self, settings: KeepaliveSettings, connection: Pinged, deadlines: DeadlineWheel, chance: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._chance = chance
        self._connection = connection
        self._deadlines = deadlines
        self._waiting = False
        self._deadline: Deadline | None = None
        if settings.interval:
            self._schedule()

    def ping(self) -> None:
        """Ask now, unless an answer is awaited already."""
        if self._waiting or self._connection.session.error:
            return
        self._cancel()
        self._waiting = True
        self._connection.session.ping(b"\0" * 8)
        self._connection.enlist()
        self._deadline = self._deadlines.arm(self._settings.timeout, self._on_timeout)

    def on_answer(self) -> None:
        self._waiting = False
        self._cancel()
        if self._settings.interval:
            self._schedule()

    def stop(self) -> None:
        self._waiting = True
        self._cancel()

    def _schedule(self) -> None:
        interval = self._settings.interval
        self._deadline = self._deadlines.arm(interval + interval * self._settings.jitter * self._chance(), self.ping)

    def _on_timeout(self) -> None:
        self._deadline = None
        self._connection.on_keepalive_timeout()

    def _cancel(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
