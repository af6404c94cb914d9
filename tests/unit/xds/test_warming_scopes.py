"""Scopes wait for the tables they name; listeners that take scopes wait for the first of them."""

from __future__ import annotations

from dataclasses import replace

from tests.support.warming_world import World, listener, routes, scoped_listener, static_cluster


def test_a_scope_waits_for_its_table_and_the_old_one_stays_meanwhile() -> None:
    world = World()
    world.routes(routes("one"))
    assert set(world.scopes(a="one").scopes) == {"a"}
    plan = world.scopes(a="two", b="two")
    assert {name: scope.route_configuration_name for name, scope in plan.scopes.items()} == {"a": "one"}
    assert {(each.what, each.name, each.missing.name) for each in plan.waiting} == {
        ("scoped route", "a", "two"),
        ("scoped route", "b", "two"),
    }
    plan = world.routes(routes("two"))
    assert {name: scope.route_configuration_name for name, scope in plan.scopes.items()} == {"a": "two", "b": "two"}


def test_a_table_stays_while_a_scope_in_use_names_it() -> None:
    world = World()
    world.routes(routes("one"))
    world.scopes(a="one")
    world.scopes(a="two")
    assert set(world.routes().route_configurations) == {"one"}
    assert set(world.routes(routes("two")).route_configurations) == {"two"}


def test_a_table_that_does_not_come_is_given_up() -> None:
    world = World()
    assert not world.scopes(a="one").scopes
    assert set(world.after(15.1).scopes) == {"a"}


def test_a_scope_waits_along_with_a_table_that_waits_for_a_cluster() -> None:
    world = World()
    world.accepted = replace(world.accepted, cds_settled=False)
    world.routes(routes("one", "backend"))
    assert not world.scopes(a="one").scopes
    assert set(world.clusters(static_cluster("backend")).scopes) == {"a"}


def test_a_new_listener_waits_for_the_first_scopes_and_their_tables() -> None:
    world = World()
    world.accepted = replace(world.accepted, srds_settled=False)
    plan = world.listeners(scoped_listener("edge"), listener("other"))
    assert set(plan.listeners) == {"other"}
    assert [(each.what, each.name, each.kind) for each in plan.waiting] == [("listener", "edge", "scoped routes")]
    world.accepted = replace(world.accepted, srds_settled=True)
    assert set(world.scopes(a="one").listeners) == {"other"}
    assert set(world.routes(routes("one")).listeners) == {"edge", "other"}


def test_a_listener_in_use_goes_on_while_new_scopes_wait() -> None:
    world = World()
    world.listeners(scoped_listener("edge"))
    assert set(world.scopes(late="missing").listeners) == {"edge"}
