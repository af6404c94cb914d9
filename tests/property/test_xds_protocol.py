"""Client and server as state machines: whatever is lost, reordered in time or refused, both end up with the same resources."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from dataplane.observe.stats import StatsStore
from dataplane.xds.delta import Delta
from dataplane.xds.messages import DeltaRequest, RawResource, Request, Response, SotwRequest
from dataplane.xds.mux import Mux
from dataplane.xds.sotw import Sotw
from dataplane.xds.source import ADS
from dataplane.xds.subscription import STAR, WILDCARD
from dataplane.xds.subscription_stats import SubscriptionStats
from dataplane.xds.types import ResourceType
from dataplane.xds.watch import Watch
from tests.support.fuzzing import fuzzed
from tests.support.xds_decoder import TYPE, TextDecoder, nameless, raw

NAMES = ("a", "b", "c")
TEXTS = ("x", "y", "z", "bad")


class DeltaServer:
    """A correct server of the incremental protocol, one stream."""

    def __init__(self, resources: dict[str, tuple[str, str]]) -> None:
        self.resources = resources
        self.subscribed: set[str] | None = None
        self.known: dict[str, str] = {}  # what the client has been sent, or said that it has
        self.denied: set[str] = set()  # names that the client was told do not exist
        self.nonces = self.answered = 0

    def receive(self, request: Request) -> None:
        assert isinstance(request, DeltaRequest)
        if self.subscribed is None:
            assert not request.response_nonce
            self.subscribed = set(request.subscribe) or {STAR}
            self.known = dict(request.initial_resource_versions)
            return
        assert not request.initial_resource_versions
        if request.response_nonce:
            assert not request.subscribe
            assert not request.unsubscribe
            self.answered += 1
            assert request.response_nonce == f"n{self.answered}"
            return
        assert request.subscribe or request.unsubscribe
        for name in request.unsubscribe:
            assert name in self.subscribed
            self.subscribed.discard(name)
        for name in (*request.subscribe, *request.unsubscribe):
            self.known.pop(name, None)
            self.denied.discard(name)
        self.subscribed.update(request.subscribe)

    def respond(self) -> Response | None:
        if self.subscribed is None:
            return None
        wanted = {name for name in NAMES if name in self.subscribed or STAR in self.subscribed}
        news = [name for name in sorted(wanted & self.resources.keys()) if self.known.get(name) != self.resources[name][0]]
        asked_for = self.subscribed - {STAR} - self.denied
        gone = sorted((self.known.keys() | asked_for) - self.resources.keys())
        if not news and not gone:
            return None
        self.known.update((name, self.resources[name][0]) for name in news)
        for name in gone:
            self.known.pop(name, None)
        self.denied = (self.denied | set(gone)) - set(news)
        self.nonces += 1
        resources = [raw(name, self.resources[name][1], self.resources[name][0]) for name in news]
        return Response(TYPE, "", f"n{self.nonces}", resources, tuple(gone))


class SotwServer:
    """A correct server of the state-of-the-world protocol, one stream."""

    def __init__(self, resources: dict[str, tuple[str, str]]) -> None:
        self.resources = resources
        self.names: tuple[str, ...] | None = None
        self.sent: list[RawResource] | None = None
        self.nonces = self.answered = 0

    def receive(self, request: Request) -> None:
        assert isinstance(request, SotwRequest)
        if self.nonces and request.response_nonce != f"n{self.nonces}":
            return  # it answers something older than what is under way
        self.answered = self.nonces
        if request.resource_names != self.names:
            self.names, self.sent = request.resource_names, None

    def respond(self) -> Response | None:
        if self.names is None:
            return None
        wanted = self.names or NAMES
        resources = [
            nameless(name, self.resources[name][1], self.resources[name][0])
            for name in NAMES
            if name in wanted and name in self.resources
        ]
        if resources == self.sent:
            return None
        self.sent = resources
        self.nonces += 1
        return Response(TYPE, f"v{self.nonces}", f"n{self.nonces}", tuple(resources))


class Exchange(RuleBasedStateMachine):
    """delta, wildcard: set by the tests below."""

    delta = True
    wildcard = True

    @initialize()
    def begin(self) -> None:
        self.resources: dict[str, tuple[str, str]] = {}
        self.versions = 0
        self.seen: dict[str, set[object]] = {name: set() for name in NAMES}
        self.told: dict[str, object] = {}  # what the owner of the configuration was told
        self.to_client: deque[Response] = deque()
        stats = SubscriptionStats(StatsStore().scope)
        kind = ResourceType(TYPE, "thing", full_state=self.wildcard)
        self.watch = Watch(kind, ADS, 0.0, stats, full_state=self.wildcard and not self.delta)
        self.machine = (
            Delta(TYPE, self.watch.subscription, self.watch.versions) if self.delta else Sotw(TYPE, self.watch.subscription)
        )
        self.watch.machine = self.machine
        self.mux = Mux(self.delta)
        self.mux.add(TYPE, self.machine, self.watch.told)
        self.connect()
        if self.wildcard:
            self.watch.replace(WILDCARD, 0.0)

    def connect(self) -> None:
        self.server: DeltaServer | SotwServer = DeltaServer(self.resources) if self.delta else SotwServer(self.resources)
        self.to_client.clear()
        self.mux.open()

    @rule(name=st.sampled_from(NAMES), text=st.sampled_from(TEXTS))
    def put(self, name: str, text: str) -> None:
        self.versions += 1
        self.resources[name] = (str(self.versions), text)
        self.seen[name].add(text)

    @rule(name=st.sampled_from(NAMES))
    def delete(self, name: str) -> None:
        self.resources.pop(name, None)

    @precondition(lambda self: not self.wildcard)
    @rule(names=st.sets(st.sampled_from(NAMES)))
    def want(self, names: set[str]) -> None:
        change, update = self.watch.replace(names, 0.0)
        for name in change.dropped:
            self.told.pop(name, None)
        self.told.update(update.changed)

    @rule()
    def break_stream(self) -> None:
        self.connect()

    @rule()
    def client_sends(self) -> None:
        self._client_sends()

    @rule()
    def server_sends(self) -> None:
        self._server_sends()

    @rule()
    def client_receives(self) -> None:
        self._client_receives()

    def _client_sends(self) -> bool:
        request = self.mux.next_request()
        if request is None:
            return False
        self.server.receive(request)
        return True

    def _server_sends(self) -> bool:
        response = self.server.respond()
        if response is None:
            return False
        self.to_client.append(response)
        return True

    def _client_receives(self) -> bool:
        if not self.to_client:
            return False
        response = self.to_client.popleft()
        intake = self.watch.intake(response, TextDecoder(), 0.0, 0.0)
        while intake.step():
            pass
        update = self.watch.finish(intake, response.version_info, 0.0)
        self.told.update(update.changed)
        for name in update.removed:
            del self.told[name]
        return True

    @invariant()
    def what_was_told_is_what_is_had(self) -> None:
        wanted = self.watch.subscription
        assert {name: value for name, value in self.watch.store.values().items() if wanted.wants(name)} == self.told

    @invariant()
    def nothing_is_had_that_never_was(self) -> None:
        for name, value in self.told.items():
            assert value in self.seen[name]
            assert value != "bad"

    def teardown(self) -> None:
        while any([self._client_sends(), self._server_sends(), self._client_receives()]):
            pass
        assert self.server.answered == self.server.nonces
        for name in self._wanted():
            if name in self.resources and self.resources[name][1] != "bad":
                assert self.told.get(name) == self.resources[name][1]
            elif name not in self.resources and (self.delta or self.wildcard):
                assert name not in self.told
        assert set(self.told) <= set(self._wanted())

    def _wanted(self) -> Iterable[str]:
        return [name for name in NAMES if self.watch.subscription.wants(name)]


@pytest.mark.parametrize("wildcard", [True, False], ids=["wildcard", "named"])
@pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])
def test_both_sides_end_up_with_the_same(delta: bool, wildcard: bool) -> None:
    kind = type("Exchange", (Exchange,), {"delta": delta, "wildcard": wildcard})
    run_state_machine_as_test(kind, settings=fuzzed(60, steps=40))  # type: ignore[no-untyped-call]
