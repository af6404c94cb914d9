from __future__ import annotations

from dataclasses import replace

from dataplane.snapshot.config_source import ADS, ConfigSource
from dataplane.snapshot.secret import GenericSecret, SecretReference
from dataplane.xds.patience import Missing
from dataplane.xds.warming import Accepted, Plan, Waiting, Warming
from tests.support.warming_world import World, eds_cluster, listener, routes, static_cluster


def waits(plan: Plan) -> set[tuple[str, str]]:
    """Who waits for what."""
    return {(waiting.name, waiting.missing.name) for waiting in plan.waiting}


def serving_world() -> World:
    """Listener L with routes R to cluster A, all in use."""
    world = World()
    world.clusters(static_cluster("A"))
    world.routes(routes("R", "A"))
    world.listeners(listener("L", "R"))
    assert set(world.in_use.listeners) == {"L"}
    return world


class TestClusters:
    def test_a_cluster_with_its_own_endpoints_is_used_at_once(self) -> None:
        world, cluster = World(), static_cluster("A")
        assert world.clusters(cluster).clusters == {"A": cluster}

    def test_a_cluster_waits_for_its_first_assignment(self) -> None:
        world, cluster = World(), eds_cluster("A", "service")
        plan = world.clusters(cluster)
        assert plan.clusters == {}
        assert plan.waiting == (Waiting("cluster", "A", "assignment", Missing("service", 1000.0, 1015.0)),)
        assert plan.next_deadline == 1015.0
        plan = world.assignments("service")
        assert plan.clusters == {"A": cluster}
        assert plan.assignments == {"A": world.accepted.assignments["service"]}
        assert plan.next_deadline is None

    def test_not_longer_than_its_initial_fetch_timeout(self) -> None:
        world = World()
        world.clusters(eds_cluster("A", timeout=3.0))
        assert world.after(2.9).clusters == {}
        plan = world.after(0.1)
        assert set(plan.clusters) == {"A"}
        assert plan.assignments == {}

    def test_for_ever_if_the_timeout_is_zero(self) -> None:
        world = World()
        plan = world.clusters(eds_cluster("A", timeout=0.0))
        assert plan.next_deadline is None
        assert world.after(1e9).clusters == {}

    def test_not_at_all_if_the_server_says_that_there_is_none(self) -> None:
        world = World()
        world.accepted = replace(world.accepted, settled_assignments={"A"})
        assert set(world.clusters(eds_cluster("A", timeout=0.0)).clusters) == {"A"}

    def test_a_changed_cluster_leaves_the_one_in_use_while_it_waits(self) -> None:
        world, old = World(), eds_cluster("A", "old")
        world.clusters(old)
        world.assignments("old")
        new = eds_cluster("A", "new")
        plan = world.clusters(new)
        assert plan.clusters == {"A": old}
        world.assignments()  # with the subscription went the value
        assert world.in_use.assignments["A"].cluster_name == "old"
        plan = world.assignments("new")
        assert plan.clusters == {"A": new}
        assert plan.assignments["A"].cluster_name == "new"

    def test_a_changed_cluster_whose_assignment_is_there_does_not_wait(self) -> None:
        world = World()
        world.clusters(eds_cluster("A"))
        world.assignments("A")
        new = eds_cluster("A", timeout=1.0)
        assert world.clusters(new).clusters == {"A": new}

    def test_a_cluster_given_up_on_has_no_endpoints_of_its_former_service(self) -> None:
        world = World()
        world.clusters(eds_cluster("A", "old"))
        world.assignments("old")
        world.clusters(eds_cluster("A", "new", timeout=1.0))
        plan = world.after(1.0)
        assert plan.clusters["A"].eds_service_name == "new"
        assert plan.assignments == {}

    def test_an_assignment_that_is_gone_is_used_on(self) -> None:
        world = World()
        world.clusters(eds_cluster("A"))
        before = world.assignments("A").assignments
        assert world.assignments().assignments == before

    def test_a_removed_cluster_goes_if_nobody_names_it(self) -> None:
        world = World()
        world.clusters(static_cluster("A"))
        plan = world.clusters()
        assert plan.clusters == {}
        assert plan.held == frozenset()

    def test_a_removed_cluster_is_held_with_its_endpoints_while_routes_in_use_name_it(self) -> None:
        world = World()
        world.clusters(eds_cluster("A"))
        world.assignments("A")
        world.routes(routes("R", "A"))
        world.clusters()
        plan = world.assignments()
        assert plan.held == {"A"}
        assert set(plan.assignments) == {"A"}
        plan = world.routes(routes("R"))
        assert plan.clusters == {}
        assert plan.held == frozenset()

    def test_a_removed_cluster_is_held_while_a_listener_names_it(self) -> None:
        world = World()
        world.clusters(static_cluster("A"))
        world.listeners(listener("L", clusters=("A",)))
        assert world.clusters().held == {"A"}
        assert world.listeners().held == frozenset()


class TestRouteConfigurations:
    def test_new_routes_wait_for_their_cluster_and_the_old_serve_meanwhile(self) -> None:
        world, new = serving_world(), routes("R", "B")
        plan = world.routes(new)
        assert plan.route_configurations["R"].cluster_names == {"A"}
        assert plan.waiting == (Waiting("route configuration", "R", "cluster", Missing("B", 1000.0, 1005.0)),)
        assert plan.next_deadline == 1005.0
        plan = world.clusters(static_cluster("B"))
        assert plan.route_configurations == {"R": new}
        assert set(plan.clusters) == {"B"}

    def test_the_old_cluster_removed_before_the_new_is_there_is_held(self) -> None:
        world = serving_world()
        world.routes(routes("R", "B"))
        plan = world.clusters()
        assert plan.held == {"A"}
        assert set(world.clusters(static_cluster("B")).clusters) == {"B"}

    def test_a_cluster_that_is_there_but_not_warm_is_missing(self) -> None:
        world = serving_world()
        world.clusters(static_cluster("A"), eds_cluster("B"))
        assert waits(world.routes(routes("R", "B"))) == {("R", "B"), ("B", "B")}
        assert world.assignments("B").route_configurations["R"].cluster_names == {"B"}

    def test_not_longer_than_the_dependency_timeout(self) -> None:
        world = serving_world()
        world.routes(routes("R", "B"))
        assert world.after(4.9).route_configurations["R"].cluster_names == {"A"}
        assert world.after(0.1).route_configurations["R"].cluster_names == {"B"}

    def test_each_missing_cluster_has_its_own_time(self) -> None:
        world = serving_world()
        world.routes(routes("R", "B"))
        world.now += 3
        plan = world.routes(routes("R", "B", "C"))
        assert plan.next_deadline == 1005.0
        plan = world.after(2)
        assert waits(plan) == {("R", "C")}
        assert plan.next_deadline == 1008.0

    def test_a_cluster_given_up_on_is_not_waited_for_again(self) -> None:
        world = serving_world()
        world.routes(routes("R", "B"))
        world.after(5)
        again = routes("R", "A", "B")
        assert world.routes(again).route_configurations == {"R": again}

    def test_until_it_was_seen(self) -> None:
        world = serving_world()
        world.routes(routes("R", "B"))
        world.after(5)
        world.clusters(static_cluster("A"), static_cluster("B"))
        world.routes(routes("R", "A"))
        world.clusters(static_cluster("A"))
        assert waits(world.routes(routes("R", "B"))) == {("R", "B")}

    def test_or_nobody_names_it_any_more(self) -> None:
        world = serving_world()
        world.routes(routes("R", "B"))
        world.after(5)
        world.routes(routes("R", "A"))
        assert waits(world.routes(routes("R", "B"))) == {("R", "B")}

    def test_a_first_version_does_not_wait_once_the_clusters_are_known(self) -> None:
        plan = World().routes(routes("R", "B"))
        assert set(plan.route_configurations) == {"R"}
        assert plan.waiting == ()

    def test_a_first_version_waits_while_the_clusters_are_not_known(self) -> None:
        world = World()
        world.accepted = replace(world.accepted, cds_settled=False)
        assert world.routes(routes("R", "B")).route_configurations == {}
        assert set(world.after(5).route_configurations) == {"R"}

    def test_a_first_version_stops_waiting_when_the_clusters_are_known(self) -> None:
        world = World()
        world.accepted = replace(world.accepted, cds_settled=False)
        world.routes(routes("R", "B"))
        world.accepted = replace(world.accepted, cds_settled=True)
        assert set(world.plan().route_configurations) == {"R"}

    def test_removed_routes_are_kept_while_a_listener_names_them(self) -> None:
        world = serving_world()
        assert set(world.routes().route_configurations) == {"R"}
        assert world.listeners(listener("L")).route_configurations == {}

    def test_removed_routes_go_if_nobody_names_them(self) -> None:
        world = World()
        world.routes(routes("R"))
        assert world.routes().route_configurations == {}

    def test_a_removed_cluster_that_others_hold_is_missing_to_routes_that_turn_to_it(self) -> None:
        world = serving_world()
        world.clusters(static_cluster("A"), static_cluster("B"))
        world.routes(routes("R", "A"), routes("S", "B"))
        world.clusters(static_cluster("A"))
        assert waits(world.routes(routes("R", "B"), world.in_use.route_configurations["S"])) == {("R", "B")}
        assert world.in_use.route_configurations["R"].cluster_names == {"A"}
        assert set(world.after(5).route_configurations["R"].cluster_names) == {"B"}


class TestListeners:
    def test_a_listener_waits_for_its_routes(self) -> None:
        world = World()
        plan = world.listeners(listener("L", "R"))
        assert plan.listeners == {}
        assert plan.waiting == (Waiting("listener", "L", "route configuration", Missing("R", 1000.0, 1015.0)),)
        assert set(world.routes(routes("R")).listeners) == {"L"}

    def test_not_longer_than_the_initial_fetch_timeout(self) -> None:
        world = World(Warming(rds_fetch_timeout=2.0))
        world.listeners(listener("L", "R"))
        assert set(world.after(2.0).listeners) == {"L"}

    def test_not_at_all_if_the_server_says_that_there_are_none(self) -> None:
        world = World()
        world.accepted = replace(world.accepted, settled_route_configurations={"R"})
        assert set(world.listeners(listener("L", "R")).listeners) == {"L"}

    def test_a_changed_listener_leaves_the_one_in_use_and_its_routes_while_it_waits(self) -> None:
        world = serving_world()
        world.listeners(listener("L", "S"))
        plan = world.routes()
        assert plan.listeners["L"].rds_names == {"R"}
        assert set(plan.route_configurations) == {"R"}
        plan = world.routes(routes("S", "A"))
        assert plan.listeners["L"].rds_names == {"S"}
        assert set(plan.route_configurations) == {"S"}

    def test_it_does_not_turn_to_routes_whose_cluster_is_missing(self) -> None:
        world = serving_world()
        world.routes(routes("R", "A"), routes("S", "B"))
        plan = world.listeners(listener("L", "S"))
        assert plan.listeners["L"].rds_names == {"R"}
        assert waits(plan) == {("L", "B")}
        plan = world.clusters(static_cluster("A"), static_cluster("B"))
        assert plan.listeners["L"].rds_names == {"S"}

    def test_what_it_names_itself_is_waited_for_too(self) -> None:
        world = serving_world()
        assert waits(world.listeners(listener("L", "R", clusters=("B",)))) == {("L", "B")}
        assert world.after(5).listeners["L"].cluster_names == {"B"}

    def test_a_first_version_does_not_wait_for_clusters_once_they_are_known(self) -> None:
        assert set(World().listeners(listener("L", clusters=("B",))).listeners) == {"L"}

    def test_at_the_start_it_waits_along_with_its_routes(self) -> None:
        world = World()
        world.accepted = replace(world.accepted, cds_settled=False)
        world.routes(routes("R", "B"))
        plan = world.listeners(listener("L", "R"))
        assert plan.listeners == {}
        assert waits(plan) == {("R", "B")}
        assert set(world.clusters(static_cluster("B")).listeners) == {"L"}

    def test_a_removed_listener_goes_at_once(self) -> None:
        assert serving_world().listeners().listeners == {}

    def test_routes_that_are_in_use_but_no_longer_accepted_serve_a_changed_listener_too(self) -> None:
        world = serving_world()
        world.routes()
        changed = listener("L", "R", clusters=("A",))
        plan = world.listeners(changed)
        assert plan.listeners == {"L": changed}
        assert set(plan.route_configurations) == {"R"}


def test_routes_that_went_are_missing_to_a_listener_that_never_used_them() -> None:
    world = World()
    world.routes(routes("R"))
    world.listeners(listener("L", "R", "S"))
    plan = world.routes()
    assert waits(plan) == {("L", "R"), ("L", "S")}
    assert world.plan() == plan


def test_without_a_change_the_plan_gives_back_the_same_mappings() -> None:
    world = serving_world()
    before = world.in_use
    plan = world.plan()
    assert plan.listeners is before.listeners
    assert plan.route_configurations is before.route_configurations
    assert plan.clusters is before.clusters


def test_nothing_at_all_is_a_plan() -> None:
    plan = World().plan()
    assert plan == Plan({}, {}, {}, {}, frozenset(), (), None)
    assert Accepted({}, {}, {}, {}).cds_settled


class TestSecrets:
    REFERENCE = SecretReference("server", ConfigSource(ADS, initial_fetch_timeout=3.0))

    def test_a_cluster_waits_for_the_secrets_of_its_tls(self) -> None:
        world = World()
        cluster = replace(static_cluster("A"), secret_references=frozenset({self.REFERENCE}))
        plan = world.clusters(cluster)
        assert plan.clusters == {}
        assert plan.waiting == (Waiting("cluster", "A", "secret", Missing("server", 1000.0, 1003.0)),)
        world.accepted = replace(world.accepted, secrets={"server": GenericSecret(b"")})
        assert world.plan().clusters == {"A": cluster}

    def test_a_listener_waits_not_longer_than_the_initial_fetch_timeout(self) -> None:
        world = World()
        world.listeners(replace(listener("L"), secret_references=frozenset({self.REFERENCE})))
        assert world.after(2.9).listeners == {}
        assert set(world.after(0.1).listeners) == {"L"}

    def test_an_answer_without_the_secret_ends_the_waiting(self) -> None:
        world = World()
        world.accepted = replace(world.accepted, settled_secrets={"server"})
        plan = world.listeners(replace(listener("L"), secret_references=frozenset({self.REFERENCE})))
        assert set(plan.listeners) == {"L"}

    def test_secrets_of_the_bootstrap_are_there_from_the_start(self) -> None:
        world = World()
        plan = world.clusters(replace(static_cluster("A"), secret_references=frozenset({SecretReference("server")})))
        assert set(plan.clusters) == {"A"}
