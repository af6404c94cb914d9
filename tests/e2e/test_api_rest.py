"""The REST API over a real socket: changes, history, refusals, conditions, authentication."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from controlplane.server.assembly import Running
from tests.support.served_control_plane import served

pytestmark = pytest.mark.e2e

CLUSTER = """
"@type": type.googleapis.com/envoy.config.cluster.v3.Cluster
name: {name}
connect_timeout: {timeout}
type: STATIC
load_assignment: {{cluster_name: {name}}}
"""
ROUTES = """
"@type": type.googleapis.com/envoy.config.route.v3.RouteConfiguration
name: edge
virtual_hosts:
- name: all
  domains: ["*"]
  routes:
  - match: {prefix: /}
    route: {cluster: missing}
"""


def cluster(name: str, timeout: str = "1s") -> str:
    return CLUSTER.format(name=name, timeout=timeout)


class Rest:
    """Requests to one control plane; answers as (status, JSON)."""

    def __init__(self, session: aiohttp.ClientSession, serving: Running) -> None:
        self.session = session
        self.serving = serving

    async def __call__(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        async with self.session.request(method, f"http://{self.serving.api}{path}", **options) as response:
            return response.status, await response.json()

    async def apply(self, *texts: str, **fields: Any) -> tuple[int, Any]:
        documents = [{"text": text, "source": f"{index}.yaml"} for index, text in enumerate(texts)]
        return await self("POST", "/v1/apply", json={"documents": documents, **fields})


def with_rest(directory: Path, test: Callable[[Rest], Awaitable[None]]) -> None:
    async def body() -> None:
        async with served(directory) as serving, aiohttp.ClientSession() as session:
            await test(Rest(session, serving))

    asyncio.run(body())


def test_what_is_applied_can_be_read_back(tmp_path: Path) -> None:
    async def test(rest: Rest) -> None:
        status, outcome = await rest.apply(cluster("a") + "---" + cluster("b/c d"), message="why", author="me")
        assert (status, outcome["unchanged"], outcome["dry_run"], outcome["warnings"]) == (200, False, False, [])
        assert [(change["kind"], change["name"]) for change in outcome["changes"]] == [("ADDED", "a"), ("ADDED", "b/c d")]
        revision = outcome["revision"]
        assert (revision["number"], revision["author"], revision["message"], revision["added"]) == (1, "me", "why", 2)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", revision["created"])

        for kind in ("cluster", "envoy.config.cluster.v3.Cluster"):
            status, found = await rest("GET", f"/v1/groups/default/resources/{kind}/b%2Fc%20d")
            assert status == 200
            assert found["body"] == {
                "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
                "name": "b/c d",
                "connect_timeout": "1s",
                "type": "STATIC",
                "load_assignment": {"cluster_name": "b/c d"},
            }
        _, listed = await rest("GET", "/v1/resources?type_url=cds&name=a*")
        assert [(each["group"], each["name"]) for each in listed["resources"]] == [("default", "a")]
        _, keys = await rest("GET", "/v1/resources?keys_only=true")
        assert [each["name"] for each in keys["resources"]] == ["a", "b/c d"]
        assert all("body" not in each for each in keys["resources"])

    with_rest(tmp_path, test)


def test_one_bad_document_refuses_all_and_every_error_is_told_with_its_place(tmp_path: Path) -> None:
    broken = cluster("bad", "-1s") + "---" + cluster("worse").replace("STATIC", "NONSENSE")

    async def test(rest: Rest) -> None:
        status, refusal = await rest.apply(cluster("good"), broken)
        assert (status, refusal["code"]) == (422, "invalid")
        places = {
            (each["source"], each["document"], each["line"], each["resource"], each["path"]) for each in refusal["problems"]
        }
        assert places == {
            ("1.yaml", 0, 4, "Cluster{bad}", "connect_timeout"),
            ("1.yaml", 1, 11, "Cluster{worse}", "type"),
        }
        assert all(each["reason"] for each in refusal["problems"])
        assert (await rest("GET", "/v1/resources"))[1] == {"revision": 0, "resources": []}

    with_rest(tmp_path, test)


def test_unknown_types_missing_types_and_text_that_is_no_yaml_are_refused(tmp_path: Path) -> None:
    async def test(rest: Rest) -> None:
        for text in ('"@type": type.googleapis.com/no.such.Type\nname: a', "name: a", "a: [1", "just words"):
            status, refusal = await rest.apply(text)
            assert (status, refusal["code"], len(refusal["problems"])) == (422, "invalid", 1), text
        encoded = {"type_url": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "value": "AAAA"}
        status, refusal = await rest("POST", "/v1/apply", json={"resources": [encoded]})
        assert (status, refusal["code"]) == (422, "invalid")

    with_rest(tmp_path, test)


def test_a_route_to_nowhere_is_a_warning(tmp_path: Path) -> None:
    async def test(rest: Rest) -> None:
        status, outcome = await rest.apply(ROUTES)
        assert (status, outcome["revision"]["number"]) == (200, 1)
        (warning,) = outcome["warnings"]
        assert warning["resource"] == "RouteConfiguration{edge}"
        assert "Cluster{missing}" in warning["reason"]
        _, outcome = await rest.apply(cluster("missing"))
        assert outcome["warnings"] == []
        _, outcome = await rest("DELETE", "/v1/groups/default/resources/cluster/missing")
        assert len(outcome["warnings"]) == 1

    with_rest(tmp_path, test)


def test_a_dry_run_tells_the_difference_and_stores_nothing(tmp_path: Path) -> None:
    async def test(rest: Rest) -> None:
        await rest.apply(cluster("a"))
        status, outcome = await rest.apply(cluster("a", "2s"), dry_run=True)
        assert (status, outcome["dry_run"], outcome["revision"]["number"]) == (200, True, 1)
        (change,) = outcome["changes"]
        assert change["kind"] == "CHANGED"
        assert "-connect_timeout: 1s\n+connect_timeout: 2s" in change["diff"]
        assert (await rest("GET", "/v1/revisions/0"))[1]["number"] == 1

    with_rest(tmp_path, test)


def test_applying_the_same_again_makes_no_revision(tmp_path: Path) -> None:
    async def test(rest: Rest) -> None:
        await rest.apply(cluster("a"))
        _, outcome = await rest.apply(cluster("a"))
        assert (outcome["unchanged"], outcome["revision"]["number"], outcome["changes"]) == (True, 1, [])

    with_rest(tmp_path, test)


def test_history_diff_and_roll_back(tmp_path: Path) -> None:
    async def test(rest: Rest) -> None:
        await rest.apply(cluster("a"), message="one")
        await rest.apply(cluster("a", "2s") + "---" + cluster("b"), message="two")
        status, outcome = await rest("POST", "/v1/revisions/1/rollback", json={"author": "me"})
        assert status == 200
        assert (outcome["revision"]["number"], outcome["revision"]["restores"]) == (3, 1)
        assert [(each["kind"], each["name"]) for each in outcome["changes"]] == [("CHANGED", "a"), ("REMOVED", "b")]

        _, listed = await rest("GET", "/v1/revisions?limit=2")
        assert [(each["number"], each["message"]) for each in listed["revisions"]] == [(3, "roll back to revision 1"), (2, "two")]
        _, older = await rest("GET", "/v1/revisions?before=2")
        assert [each["number"] for each in older["revisions"]] == [1]
        _, equal = await rest("GET", "/v1/diff?from_revision=1&to_revision=3")
        assert equal == {"from_revision": 1, "to_revision": 3, "changes": []}
        _, last = await rest("GET", "/v1/diff")
        assert (last["from_revision"], last["to_revision"]) == (2, 3)
        _, all_of_it = await rest("GET", "/v1/diff?from_revision=0&to_revision=2")
        assert [each["kind"] for each in all_of_it["changes"]] == ["ADDED", "ADDED"]
        _, old = await rest("GET", "/v1/groups/default/resources/cluster/a?revision=2")
        assert old["body"]["connect_timeout"] == "2s"

    with_rest(tmp_path, test)


def test_a_stale_expectation_is_a_conflict(tmp_path: Path) -> None:
    async def test(rest: Rest) -> None:
        await rest.apply(cluster("a"), expected_revision=0)
        status, refusal = await rest.apply(cluster("b"), expected_revision=0)
        assert (status, refusal["code"]) == (409, "conflict")
        outcomes = await asyncio.gather(*(rest.apply(cluster(f"c{n}"), expected_revision=1) for n in range(5)))
        assert sorted(status for status, _ in outcomes) == [200, 409, 409, 409, 409]

    with_rest(tmp_path, test)


def test_concurrent_writers_without_expectation_all_succeed(tmp_path: Path) -> None:
    async def test(rest: Rest) -> None:
        outcomes = await asyncio.gather(*(rest.apply(cluster(f"c{n}")) for n in range(8)))
        assert sorted(outcome["revision"]["number"] for _, outcome in outcomes) == list(range(1, 9))
        _, listed = await rest("GET", "/v1/resources")
        assert len(listed["resources"]) == 8

    with_rest(tmp_path, test)


def test_groups_are_part_of_the_revision(tmp_path: Path) -> None:
    async def test(rest: Rest) -> None:
        await rest.apply(cluster("a") + "---" + cluster("b"))
        body = {"selectors": [{"node_ids": ["edge-*"], "metadata": {"k": "v"}, "locality": {"zone": "z"}}], "priority": 5}
        status, outcome = await rest("PUT", "/v1/groups/edge?message=edge", json=body)
        assert (status, outcome["changes"]) == (
            200,
            [{"kind": "ADDED", "group": "edge", "type_url": "", "name": "", "diff": ""}],
        )
        _, group = await rest("GET", "/v1/groups/edge")
        assert (group["name"], group["priority"], group["inherits"]) == ("edge", 5, True)
        assert group["selectors"][0]["metadata"] == {"k": "v"}
        await rest.apply(cluster("b", "9s"), group="edge")
        _, effective = await rest("GET", "/v1/resources?group=edge&effective=true")
        assert [(each["name"], each["body"]["connect_timeout"]) for each in effective["resources"]] == [("a", "1s"), ("b", "9s")]
        _, outcome = await rest("DELETE", "/v1/groups/edge")
        assert [(each["kind"], each["name"]) for each in outcome["changes"]] == [("REMOVED", ""), ("REMOVED", "b")]
        _, groups = await rest("GET", "/v1/groups?revision=3")
        assert [each["name"] for each in groups["groups"]] == ["default", "edge"]

    with_rest(tmp_path, test)


def test_pruning_and_deleting_in_one_change(tmp_path: Path) -> None:
    async def test(rest: Rest) -> None:
        await rest.apply(cluster("a") + "---" + cluster("b"))
        _, outcome = await rest.apply(cluster("c"), deletes=[{"type_url": "cluster", "name": "a"}])
        assert [(each["kind"], each["name"]) for each in outcome["changes"]] == [("REMOVED", "a"), ("ADDED", "c")]
        _, outcome = await rest.apply(cluster("d"), prune=True)
        assert [(each["kind"], each["name"]) for each in outcome["changes"]] == [
            ("REMOVED", "b"),
            ("REMOVED", "c"),
            ("ADDED", "d"),
        ]

    with_rest(tmp_path, test)


def test_yaml_can_be_posted_as_it_is(tmp_path: Path) -> None:
    async def test(rest: Rest) -> None:
        headers = {"content-type": "application/yaml"}
        status, outcome = await rest("POST", "/v1/apply?message=hi&dry_run=true", data=cluster("a"), headers=headers)
        assert (status, outcome["dry_run"]) == (200, True)
        status, outcome = await rest("POST", "/v1/apply?message=hi", data=cluster("a"), headers=headers)
        assert (status, outcome["revision"]["message"]) == (200, "hi")

    with_rest(tmp_path, test)


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "code"),
    [
        ("GET", "/v1/nothing", {}, 404, "not_found"),
        ("GET", "/v1/groups/nobody", {}, 404, "not_found"),
        ("GET", "/v1/resources?group=nobody", {}, 404, "not_found"),
        ("GET", "/v1/resources?revision=7", {}, 404, "not_found"),
        ("GET", "/v1/revisions/7", {}, 404, "not_found"),
        ("GET", "/v1/revisions/x", {}, 400, "usage"),
        ("GET", "/v1/revisions/-1", {}, 400, "usage"),
        ("GET", "/v1/revisions?limit=99999999999", {}, 400, "usage"),
        ("GET", "/v1/resources?effective=maybe", {}, 400, "usage"),
        ("GET", "/v1/resources?color=red", {}, 400, "usage"),
        ("GET", "/v1/events?color=red", {}, 400, "usage"),
        ("GET", "/v1/groups/default/resources/cluster/a", {}, 404, "not_found"),
        ("DELETE", "/v1/groups/default/resources/cluster/a", {}, 404, "not_found"),
        ("POST", "/v1/revisions/7/rollback", {}, 404, "not_found"),
        ("POST", "/v1/resources", {}, 405, "usage"),
        ("POST", "/v1/apply", {"data": b"{", "headers": {"content-type": "application/json"}}, 400, "usage"),
        ("POST", "/v1/apply", {"data": b"\xff\xfe", "headers": {"content-type": "application/yaml"}}, 400, "usage"),
        ("POST", "/v1/apply", {"json": {"color": "red"}}, 400, "usage"),
        ("POST", "/v1/apply", {"json": [1]}, 400, "usage"),
        ("POST", "/v1/apply", {"json": {"group": "nobody", "documents": [{"text": cluster("a")}]}}, 422, "invalid"),
        ("PUT", "/v1/groups/default", {"json": {"priority": 1}}, 422, "invalid"),
        ("PUT", "/v1/groups/empty", {"json": {"selectors": [{}]}}, 422, "invalid"),
        ("DELETE", "/v1/groups/nobody", {}, 404, "not_found"),
        ("GET", "/v1/groups", {"json": {"name": "x"}}, 400, "usage"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, method: str, path: str, options: dict[str, Any], status: int, code: str) -> None:
    async def test(rest: Rest) -> None:
        found, refusal = await rest(method, path, **options)
        assert (found, refusal["code"]) == (status, code)
        assert refusal["message"]

    with_rest(tmp_path, test)


def test_the_token_is_required_except_for_health_and_the_document(tmp_path: Path) -> None:
    token_file = tmp_path / "token"
    token_file.write_text("  s3cret\n")

    async def body() -> None:
        async with served(tmp_path, token_file) as serving, aiohttp.ClientSession() as session:
            rest = Rest(session, serving)
            for headers in (
                {},
                {"authorization": "Bearer wrong"},
                {"authorization": "s3cret"},
                {"authorization": "Basic s3cret"},
            ):
                for path in ("/v1/groups", "/v1/events", "/metrics", "/v1/nothing"):
                    status, refusal = await rest("GET", path, headers=headers)
                    assert (status, refusal["code"]) == (401, "unauthenticated"), (path, headers)
            status, _ = await rest("GET", "/v1/groups", headers={"authorization": "Bearer s3cret"})
            assert status == 200
            async with session.get(f"http://{serving.api}/healthz") as response:
                assert (response.status, await response.text()) == (200, "ok\n")
            assert (await rest("GET", "/openapi.json"))[0] == 200

    asyncio.run(body())


@pytest.mark.parametrize("headers", [{"origin": "https://evil.example"}, {"origin": "null"}, {"host": "evil.example:80"}])
def test_a_web_page_cannot_use_it(tmp_path: Path, headers: dict[str, str]) -> None:
    async def test(rest: Rest) -> None:
        status, refusal = await rest("POST", "/v1/revisions/0/rollback", headers=headers)
        assert (status, refusal["code"]) == (403, "forbidden")

    with_rest(tmp_path, test)


def test_metrics_count_what_there_is(tmp_path: Path) -> None:
    async def test(rest: Rest) -> None:
        await rest.apply(cluster("a") + "---" + cluster("b"))
        async with rest.session.get(f"http://{rest.serving.api}/metrics") as response:
            lines = (await response.text()).splitlines()
        assert "pointsman_revision 1" in lines
        assert 'pointsman_resources{type="Cluster"} 2' in lines

    with_rest(tmp_path, test)
