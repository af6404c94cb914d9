from __future__ import annotations

import pytest

from dataplane.resilience.outlier import NOT_CONNECTED, TIMED_OUT, Ejection, HostRecord, OutlierSettings, Rate, judge_rates

FIVE = Ejection.CONSECUTIVE_5XX
GATEWAY = Ejection.CONSECUTIVE_GATEWAY_FAILURE
LOCAL = Ejection.CONSECUTIVE_LOCAL_ORIGIN_FAILURE


def test_errors_in_a_row_are_detected_and_counted_anew() -> None:
    record = HostRecord(OutlierSettings(consecutive_5xx=3))
    found = [record.on_status(500) for _ in range(6)]
    assert found == [[], [], [FIVE], [], [], [FIVE]]


def test_a_success_begins_the_count_anew() -> None:
    record = HostRecord(OutlierSettings(consecutive_5xx=2, consecutive_gateway_failure=2))
    assert [record.on_status(status) for status in (503, 404, 503, 200, 503)] == [[]] * 5
    assert record.on_status(503) == [GATEWAY, FIVE]


def test_gateway_failures_are_a_part_of_the_errors() -> None:
    record = HostRecord(OutlierSettings(consecutive_5xx=4, consecutive_gateway_failure=2))
    assert [record.on_status(status) for status in (502, 500, 503, 504)] == [[], [], [], [GATEWAY, FIVE]]


def test_zero_turns_a_kind_off() -> None:
    record = HostRecord(OutlierSettings(consecutive_5xx=0, consecutive_gateway_failure=0))
    assert [record.on_status(503) for _ in range(5)] == [[]] * 5


def test_our_own_failures_count_as_a_status_unless_they_are_counted_apart() -> None:
    together = HostRecord(OutlierSettings(consecutive_5xx=2, consecutive_gateway_failure=0))
    assert [together.on_local_failure(NOT_CONNECTED), together.on_local_failure(TIMED_OUT)] == [[], [FIVE]]
    apart = HostRecord(
        OutlierSettings(split_external_local_origin_errors=True, consecutive_local_origin_failure=2, consecutive_5xx=1)
    )
    assert apart.on_local_failure(NOT_CONNECTED) == []
    apart.on_connected()
    assert [apart.on_local_failure(NOT_CONNECTED), apart.on_local_failure(TIMED_OUT)] == [[], [LOCAL]]
    assert apart.take_tally() == (0, 0, 4, 1)


def test_connections_count_only_where_failures_of_our_own_making_are_counted_apart() -> None:
    record = HostRecord(OutlierSettings())
    record.on_connected()
    assert record.take_tally() == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("percent", "always_one", "ejected", "hosts", "expected"),
    [
        (10, False, 0, 2, False),
        (10, False, 0, 10, True),
        (50, False, 0, 3, True),
        (50, False, 1, 3, False),
        (100, False, 2, 3, True),
        (0, True, 0, 1, True),
        (0, True, 1, 5, False),
        (100, False, 0, 0, False),
    ],
)
def test_how_many_may_be_ejected(percent: int, always_one: bool, ejected: int, hosts: int, expected: bool) -> None:
    settings = OutlierSettings(max_ejection_percent=percent, always_eject_one_host=always_one)
    assert settings.may_eject(ejected, hosts) is expected


def test_each_ejection_lasts_longer_up_to_the_longest() -> None:
    record = HostRecord(OutlierSettings(base_ejection_time=30.0, max_ejection_time=70.0))
    now = 0.0
    for lasts in (30.0, 60.0, 70.0, 70.0):
        record.eject(now, 0.0)
        assert not record.look(now + lasts - 0.1)
        assert record.look(now + lasts)
        now += lasts
        record.uneject(now)
    assert record.backoff == 3


def test_jitter_makes_an_ejection_longer() -> None:
    record = HostRecord(OutlierSettings(base_ejection_time=30.0, max_ejection_time_jitter=10.0))
    record.eject(0.0, 0.5)
    assert not record.look(34.9)
    assert record.look(35.0)


def test_a_host_that_stays_well_is_forgiven() -> None:
    record = HostRecord(OutlierSettings(interval=10.0))
    record.eject(0.0, 0.0)
    record.uneject(30.0)
    assert not record.look(35.0)
    assert record.backoff == 1
    record.look(40.0)
    assert record.backoff == 0
    record.look(50.0)
    assert record.backoff == 0


def test_taking_a_host_back_begins_its_counts_anew() -> None:
    record = HostRecord(OutlierSettings(consecutive_5xx=2))
    record.on_status(500)
    record.eject(0.0, 0.0)
    record.uneject(30.0)
    assert record.on_status(500) == []


def rates(*results: tuple[int, int]) -> list[Rate]:
    """(successes, total) of one host each."""
    made = []
    for successes, total in results:
        rate = Rate()
        rate.successes, rate.total = successes, total
        made.append(rate)
    return made


KINDS = (Ejection.SUCCESS_RATE, Ejection.FAILURE_PERCENTAGE)
FEW = OutlierSettings(
    success_rate_minimum_hosts=3,
    success_rate_request_volume=100,
    failure_percentage_minimum_hosts=2,
    failure_percentage_request_volume=10,
)


def test_the_one_that_deviates() -> None:
    hosts = rates((100, 100), (99, 100), (100, 100), (100, 100), (50, 100))
    found = judge_rates(hosts, FEW, *KINDS)
    assert found.outliers == ((4, Ejection.SUCCESS_RATE),)
    assert found.average == pytest.approx(89.8)
    assert 50 < found.threshold < 60
    assert [host.rate for host in hosts] == [100, 99, 100, 100, 50]
    assert judge_rates(hosts, FEW, *KINDS).outliers == ()  # a new interval


def test_hosts_with_too_few_requests_do_not_count() -> None:
    hosts = rates((100, 100), (0, 5), (100, 100), (0, 0))
    found = judge_rates(hosts, FEW, *KINDS)
    assert (found.outliers, found.average) == ((), -1.0)
    assert [host.rate for host in hosts] == [100, -1, 100, -1]


def test_hosts_that_fail_too_often_whatever_the_others_do() -> None:
    found = judge_rates(rates((1, 10), (2, 20), (10, 10)), FEW, *KINDS)
    assert found.outliers == ((0, Ejection.FAILURE_PERCENTAGE), (1, Ejection.FAILURE_PERCENTAGE))
    assert judge_rates(rates((1, 10)), FEW, *KINDS).outliers == ()
    assert judge_rates([], FEW, *KINDS).outliers == ()


def test_how_much_of_each_kind_is_enforced() -> None:
    settings = OutlierSettings()
    assert {kind.value: settings.enforced(kind) for kind in Ejection} == {
        "consecutive_5xx": 100,
        "consecutive_gateway_failure": 0,
        "consecutive_local_origin_failure": 100,
        "success_rate": 100,
        "local_origin_success_rate": 100,
        "failure_percentage": 0,
        "local_origin_failure_percentage": 0,
    }
