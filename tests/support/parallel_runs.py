"""How a run in several processes (`pytest -n 4`) shares out its tests, and what keeps those processes apart."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from tests.support.network_namespace import leave_network

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import LoadScopeScheduling

# Tests about short times, whose peers (Envoy, too) must have a processor at once: `make test` runs them when no other test runs.
_DIFFERENTIAL = "tests/differential/test_differential.py::test_same_as_envoy"
ALONE = (
    *(f"{_DIFFERENTIAL}{way}[{topic}/" for way in ("", "_over_ads") for topic in ("listener_filters", "overload", "timeouts")),
    *(
        f"tests/e2e/test_draining_listeners.py::test_{name}["
        for name in (
            "only_the_connections_of_changed_chains_end",
            "a_removed_listener_ends_all_and_accepts_no_more",
            "connections_are_asked_spread_over_the_drain_time",
        )
    ),
    "tests/e2e/test_endless_floods.py",
    "tests/e2e/test_slow_clients.py",
)

# Tests that mostly wait come first: at the end of a run there is work for every processor.
WAITING = ("tests/differential/", "tests/e2e/", "tests/soak/")


def unit_of_work(test_id: str) -> str:
    """Tests with the same one run in one process, because they share what is costly to start."""
    path, _, test = test_id.partition("::")
    if path == "tests/differential/test_differential.py":
        return f"{path}::{test.partition('/')[0]}"  # one topic, with one way of delivery: a pair of proxies, as a rule
    return path


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        # Between choosing a free port and listening on it, no other process of the run can take it.
        with contextlib.suppress(OSError):
            leave_network()


def pytest_itemcollected(item: pytest.Item) -> None:
    if item.nodeid.startswith(ALONE):
        item.add_marker("alone")


@pytest.hookimpl(trylast=True)  # after the order was made random
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.nodeid.startswith(WAITING))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    from xdist.scheduler import LoadScopeScheduling

    class ByUnitOfWork(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return unit_of_work(nodeid)

    config.option.loadscopereorder = False  # as collected, and not those with the most tests first
    return ByUnitOfWork(config, log)
