"""One type from one source: names, values, deadlines, statistics and status in step."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from dataplane.observe.stats import StatsStore
from dataplane.xds.delta import Delta
from dataplane.xds.messages import DeltaRequest, RawResource, Response
from dataplane.xds.source import ADS
from dataplane.xds.status import ClientStatus, UpdateFailureState
from dataplane.xds.subscription import WILDCARD
from dataplane.xds.subscription_stats import SubscriptionStats
from dataplane.xds.types import ResourceType
from dataplane.xds.watch import Update, Watch
from tests.support.xds_decoder import TYPE, TextDecoder, body, raw

KIND = ResourceType(TYPE, "thing", counts_reloads=True)


class Watched:
    """A watch over the incremental protocol; the stream is open."""

    def __init__(self, *names: str, timeout: float = 15.0) -> None:
        self.stats = StatsStore()
        scope = SubscriptionStats(lambda name: self.stats.scope(f"things.{name}."))
        self.watch = Watch(KIND, ADS, timeout, scope, full_state=False)
        self.machine = Delta(TYPE, self.watch.subscription, self.watch.versions)
        self.watch.machine = self.machine
        self.now = 100.0
        self.watch.replace(names, self.now)

    def take(self, *resources: RawResource, removed: Iterable[str] = (), version: str = "v1") -> Update:
        response = Response(TYPE, version, f"nonce-{version}", resources, tuple(removed))
        intake = self.watch.intake(response, TextDecoder(), self.now, 1.7e9)
        while intake.step():
            pass
        return self.watch.finish(intake, version, 1.7e9, took=0.007)

    def says(self) -> list[DeltaRequest]:
        requests = []
        while (request := self.machine.next_request()) is not None:
            requests.append(request)
            if self.machine.told():
                self.watch.told()
        return requests

    def counters(self, name: str) -> dict[str, int]:
        prefix = f"things.{name}."
        return {
            key.removeprefix(prefix): stat.value
            for key, stat in self.stats.counters.items()
            if key.startswith(prefix) and stat.value
        }


def test_an_accepted_response_is_announced_answered_and_counted() -> None:
    watched = Watched("a", "b")
    watched.says()
    assert watched.take(raw("a", "x")) == Update({"a": "x"}, (), ("a",))
    assert watched.says() == [DeltaRequest(TYPE, response_nonce="nonce-v1")]
    assert watched.watch.version_info == "v1"
    assert watched.counters("a") == {"update_attempt": 2, "update_success": 1, "config_reload": 1}
    assert watched.counters("b") == {"update_attempt": 1}
    assert watched.stats.histogram("things.a.update_duration").counts == {7: 1}
    assert watched.stats.gauge("things.a.config_reload_time_ms").value == 1_700_000_000_000
    assert watched.stats.text_readout("things.a.version_text").value == "v1"
    assert watched.stats.gauge("things.a.update_time").value == 1_700_000_000_000
    assert watched.stats.gauge("things.a.version").value == 9194640092791331756


def test_a_refused_response_keeps_the_version_and_settles_the_name() -> None:
    watched = Watched("a")
    watched.says()
    watched.take(raw("a", "x"))
    watched.says()
    assert watched.take(raw("a", "bad"), version="v2") == Update()
    assert [request.error for request in watched.says()] == ["Error adding/updating thing(s) Thing{a}.text: is bad"]
    assert watched.watch.version_info == "v1"
    assert watched.counters("a") == {"update_attempt": 3, "update_success": 1, "update_rejected": 1, "config_reload": 1}


def test_a_name_whose_first_version_is_bad_has_settled() -> None:
    watched = Watched("a")
    assert watched.take(raw("a", "bad")) == Update(settled=("a",))


@pytest.mark.parametrize("text", ["x", "bad"])
def test_a_wildcard_settles_with_the_first_response(text: str) -> None:
    watched = Watched(*WILDCARD)
    assert watched.take(raw("a", text)).settled == ("*",)
    assert watched.take().settled == ()


def test_a_wildcard_counts_responses() -> None:
    watched = Watched(*WILDCARD)
    watched.take(raw("a", "x"), raw("b", "y"))
    watched.take(raw("a", "bad"), raw("b", "z"), version="v2")
    assert watched.counters("*") == {"update_attempt": 3, "update_success": 1, "update_rejected": 1, "config_reload": 2}


def test_what_is_known_already_is_no_reload() -> None:
    watched = Watched(*WILDCARD)
    watched.take(raw("a", "x"))
    watched.take(raw("a", "x"))
    assert watched.counters("*") == {"update_attempt": 3, "update_success": 2, "config_reload": 1}


def test_values_of_dropped_names_are_forgotten_when_the_server_was_told() -> None:
    watched = Watched("a", "b")
    watched.says()
    watched.take(raw("a", "x"))
    watched.watch.replace(("b",), watched.now)
    assert watched.watch.store.values() == {"a": "x"}
    watched.says()
    assert watched.watch.store.values() == {}


def test_a_name_wanted_again_before_the_server_was_told_is_announced_from_the_store() -> None:
    watched = Watched("a", "b")
    watched.says()
    watched.take(raw("a", "x"))
    watched.says()
    watched.watch.replace(("b",), watched.now)
    _, update = watched.watch.replace(("a", "b"), watched.now)
    assert update == Update({"a": "x"}, (), ("a",))
    assert watched.says() == []
    assert watched.watch.store.values() == {"a": "x"}


def test_what_comes_for_a_dropped_name_before_the_server_was_told_is_there_when_it_is_wanted_again() -> None:
    watched = Watched("a", "b")
    watched.says()
    watched.watch.replace(("b",), watched.now)
    assert watched.take(raw("a", "x"), raw("b", "y")).changed == {"b": "y"}
    _, update = watched.watch.replace(("a", "b"), watched.now)
    assert update.changed == {"a": "x"}


def test_what_goes_of_a_dropped_name_before_the_server_was_told_is_not_announced() -> None:
    watched = Watched("a")
    watched.says()
    watched.take(raw("a", "x"))
    watched.watch.replace((), watched.now)
    assert watched.take(removed=("a",)).removed == ()
    assert watched.watch.replace(("a",), watched.now)[1].changed == {}


def test_a_dropped_name_under_a_wildcard_keeps_its_value() -> None:
    watched = Watched("a", *WILDCARD)
    watched.says()
    watched.take(raw("a", "x"))
    watched.watch.replace(WILDCARD, watched.now)
    watched.says()
    assert watched.watch.store.values() == {"a": "x"}


def test_the_same_names_change_nothing() -> None:
    watched = Watched("a")
    change, update = watched.watch.replace(("a",), watched.now)
    assert not change
    assert update == Update()


def test_a_new_stream_is_told_the_versions_of_wanted_names_only() -> None:
    watched = Watched("a", "b")
    watched.says()
    watched.take(raw("a", "x", "1"), raw("b", "y", "2"))
    watched.watch.replace(("b",), watched.now)
    watched.machine.open()
    assert watched.says() == [DeltaRequest(TYPE, ("b",), initial_resource_versions={"b": "2"})]


def test_a_refused_version_is_not_among_those_that_are_had() -> None:
    watched = Watched(*WILDCARD)
    watched.take(raw("a", "x", "1"), raw("b", "bad", "1"))
    watched.take(raw("a", "bad", "2"))
    assert watched.watch.versions() == {"a": "1"}


def test_a_lost_stream_drops_nothing_and_is_counted() -> None:
    watched = Watched("a")
    watched.take(raw("a", "x"))
    watched.watch.failed("UNAVAILABLE: gone")
    assert watched.watch.store.values() == {"a": "x"}
    assert watched.counters("a")["update_failure"] == 1
    assert watched.watch.status().last_error == "UNAVAILABLE: gone"


def test_first_answers_are_waited_for_until_their_deadline() -> None:
    watched = Watched("a")
    assert watched.watch.next_deadline() == 115.0
    assert watched.watch.expire(114.0) == Update()
    assert watched.watch.expire(115.0) == Update(settled=("a",))
    assert watched.counters("a") == {"update_attempt": 2, "init_fetch_timeout": 1}
    assert watched.watch.next_deadline() is None


def test_names_may_have_their_own_time() -> None:
    watched = Watched()
    watched.watch.replace({"a": 0.0, "b": 3.0}, watched.now)
    assert watched.watch.expire(1e9) == Update(settled=("b",))


def test_a_value_goes_when_its_time_to_live_is_over() -> None:
    watched = Watched("a")
    watched.take(raw("a", "x", ttl=3.0))
    assert watched.watch.next_deadline() == 103.0
    assert watched.watch.expire(103.0) == Update({}, ("a",), ())
    assert watched.watch.store.values() == {}


def test_without_a_machine_nothing_is_answered() -> None:
    watched = Watched("a")
    watched.watch.machine = None
    assert watched.take(raw("a", "x")).changed == {"a": "x"}
    watched.watch.replace((), watched.now)
    watched.watch.told()
    assert watched.watch.store.values() == {}


class TestStatus:
    def test_of_names_without_an_answer(self) -> None:
        watched = Watched("a")
        assert watched.watch.status().resources["a"].client_status is ClientStatus.REQUESTED
        watched.watch.expire(115.0)
        assert watched.watch.status().resources["a"].client_status is ClientStatus.TIMEOUT

    def test_of_an_accepted_value(self) -> None:
        watched = Watched("a")
        watched.take(raw("a", "x", "7"))
        status = watched.watch.status()
        assert (status.version_info, status.last_nonce, status.last_updated, status.last_error) == ("v1", "nonce-v1", 1.7e9, "")
        resource = status.resources["a"]
        assert (resource.client_status, resource.version_info, resource.last_updated) == (ClientStatus.ACKED, "7", 1.7e9)
        assert resource.error_state is None

    def test_of_a_refused_version_over_a_good_one(self) -> None:
        watched = Watched("a")
        watched.take(raw("a", "x", "7"))
        watched.take(raw("a", "bad", "8"), version="v2")
        resource = watched.watch.status().resources["a"]
        assert (resource.client_status, resource.version_info) == (ClientStatus.NACKED, "7")
        assert resource.error_state == UpdateFailureState("8", body("a", "bad"), "Thing{a}.text: is bad", 1.7e9)
        assert watched.watch.status().last_error == "Error adding/updating thing(s) Thing{a}.text: is bad"

    def test_of_what_the_server_says_is_not_there(self) -> None:
        watched = Watched("a", *WILDCARD)
        watched.take(raw("a", "x"), raw("b", "y"))
        assert watched.take(removed=("a", "b")).removed == ("a", "b")
        resources = watched.watch.status().resources
        assert {name: resource.client_status for name, resource in resources.items()} == {"a": ClientStatus.DOES_NOT_EXIST}

    def test_what_was_not_there_may_come(self) -> None:
        watched = Watched("a")
        assert watched.take(removed=("a",)) == Update(settled=("a",))
        assert watched.take(raw("a", "x")).changed == {"a": "x"}
        assert watched.watch.status().resources["a"].client_status is ClientStatus.ACKED


def test_a_stream_of_its_own_counts_beside_the_first_name() -> None:
    assert Watched("a", "b").watch.scope().prefix == "things.a."
    assert Watched().watch.scope().prefix == "things.*."
