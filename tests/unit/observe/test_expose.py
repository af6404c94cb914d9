"""Stats as text, JSON and Prometheus exposition, and the tags in their names."""

from __future__ import annotations

import json
import re

import pytest

from dataplane.observe.expose import Selection, as_json, prometheus, text
from dataplane.observe.histogram import cumulative, quantiles
from dataplane.observe.names import DEFAULT_RULES, TagExtractor, rule
from dataplane.observe.stats import Histogram, StatsStore


def sample() -> StatsStore:
    store = StatsStore()
    store.counter("cluster.app.upstream_rq_200").inc(3)
    store.counter("cluster.app.upstream_rq_total")
    store.gauge("server.state").set(0)
    store.text_readout("cluster_manager.cds.version_text").set("v1")
    store.histogram("http.ingress.downstream_rq_time").record(5)
    return store


def test_text_lists_read_outs_then_numbers_then_histograms() -> None:
    lines = text(sample()).splitlines()
    assert lines[:4] == [
        'cluster_manager.cds.version_text: "v1"',
        "cluster.app.upstream_rq_200: 3",
        "cluster.app.upstream_rq_total: 0",
        "server.state: 0",
    ]
    assert lines[4].startswith("http.ingress.downstream_rq_time: P0(nan,5) P25(nan,5.025) P50(nan,5.05)")


def test_used_only_keeps_a_gauge_that_was_set_to_zero() -> None:
    shown = text(sample(), Selection(used_only=True, wanted=re.compile("upstream_rq|state").search.__call__))
    assert shown == "cluster.app.upstream_rq_200: 3\nserver.state: 0\n"


def test_the_interval_of_a_histogram_ends_with_a_flush() -> None:
    store = sample()
    store.flush()
    assert "P0(5,5)" in text(store)
    store.flush()
    assert "P0(nan,5)" in text(store)


def test_json() -> None:
    entries = json.loads(as_json(sample()))["stats"]
    assert {"name": "cluster.app.upstream_rq_200", "value": 3} in entries
    assert entries[-1]["histograms"]["computed_quantiles"][0]["name"] == "http.ingress.downstream_rq_time"


def test_prometheus() -> None:
    lines = prometheus(sample(), TagExtractor(), text_readouts=True).splitlines()
    assert "# TYPE envoy_cluster_upstream_rq counter" in lines
    assert 'envoy_cluster_upstream_rq{envoy_response_code="200",envoy_cluster_name="app"} 3' in lines
    assert "envoy_server_state{} 0" in lines
    assert 'envoy_cluster_manager_cds_version_text{text_value="v1"} 0' in lines
    assert 'envoy_http_downstream_rq_time_bucket{envoy_http_conn_manager_prefix="ingress",le="1"} 0' in lines
    assert 'envoy_http_downstream_rq_time_bucket{envoy_http_conn_manager_prefix="ingress",le="5"} 1' in lines
    assert 'envoy_http_downstream_rq_time_sum{envoy_http_conn_manager_prefix="ingress"} 5' in lines


@pytest.mark.parametrize(
    ("name", "stripped", "tags"),
    [
        (
            "listener.127.0.0.1_80.ssl.sigalgs.ecdsa_secp256r1_sha256",
            "listener.ssl.sigalgs",
            {"envoy.listener_address": "127.0.0.1_80", "envoy.ssl_sigalg": "ecdsa_secp256r1_sha256"},
        ),
        (
            "cluster.app.upstream_rq_5xx",
            "cluster.upstream_rq_xx",
            {"envoy.response_code_class": "5", "envoy.cluster_name": "app"},
        ),
        (
            "listener.127.0.0.1_80.http.ingress.downstream_rq_2xx",
            "listener.http.downstream_rq_xx",
            {
                "envoy.listener_address": "127.0.0.1_80",
                "envoy.http_conn_manager_prefix": "ingress",
                "envoy.response_code_class": "2",
            },
        ),
        (
            "listener.[__1]_80.worker_3.downstream_cx_total",
            "listener.downstream_cx_total",
            {"envoy.listener_address": "[__1]_80", "envoy.worker_id": "3"},
        ),
        (
            "http.in.rds.a.b.update_success",
            "http.rds.update_success",
            {"envoy.http_conn_manager_prefix": "in", "envoy.rds_route_config": "a.b"},
        ),
        ("server.live", "server.live", {}),
    ],
)
def test_default_tags(name: str, stripped: str, tags: dict[str, str]) -> None:
    found = TagExtractor().extract(name)
    assert found.name == stripped
    assert dict(found.tags) == tags


def test_rules_and_fixed_tags_of_a_bootstrap() -> None:
    extractor = TagExtractor((*DEFAULT_RULES, rule("zone", r"(\.zone_(\w+))")), (("site", "a"),))
    found = extractor.extract("custom.zone_b.hits")
    assert (found.name, found.tags) == ("custom.hits", (("zone", "b"), ("site", "a")))


def test_quantiles_lie_inside_their_buckets() -> None:
    histogram = Histogram("h", "ms")
    for value in (0, 1, 99, 123_456):
        histogram.record(value)
    assert histogram.counts == {0: 1, 1: 1, 99: 1, 120_000: 1}
    found = quantiles(histogram.counts, (0.0, 0.5, 1.0))
    assert found == [0.0, pytest.approx(1.1), 130_000.0]
    assert quantiles({}) is None
    assert cumulative(histogram.counts, (0.5, 1, 100, 1_000_000)) == [1, 2, 3, 4]
