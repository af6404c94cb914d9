"""The index of a virtual host against trying its routes one by one; matching against Python's own strings."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dataplane.matching import path as path_rules
from dataplane.matching.regex import Regex
from dataplane.routing.table import find_route, find_virtual_host, first_match
from dataplane.semantics.header_map import RequestHeaders
from tests.support.compiling import route_configuration, virtual_host
from tests.support.fuzzing import fuzzed

# Few letters, so that prefixes, duplicates and near misses are common.
PATHS = st.lists(st.sampled_from(["/", "a", "b", "A", "1"]), max_size=5).map(lambda parts: "/" + "".join(parts))
PATTERNS = st.lists(st.sampled_from(["/", "a", "b", ".", ".*", "[ab]", "(a|b)", "1+", "(?:/a)?"]), min_size=1, max_size=4).map(
    "".join
)
HEADER = {"name": "x", "string_match": {"exact": "1"}}


def extras(match: dict[str, Any], with_header: bool, ignore_case: bool) -> dict[str, Any]:
    if with_header:
        match["headers"] = [HEADER]
    if ignore_case and "safe_regex" not in match:
        match["case_sensitive"] = False
    return match


MATCHES = st.builds(
    extras,
    st.one_of(
        PATHS.map(lambda path: {"prefix": path}),
        PATHS.map(lambda path: {"path": path}),
        PATHS.map(lambda path: {"path_separated_prefix": "/" + path.strip("/") + "x"}),
        PATTERNS.map(lambda pattern: {"safe_regex": {"regex": pattern}}),
        st.just({"connect_matcher": {}}),
    ),
    st.booleans(),
    st.sampled_from([False, False, False, True]),
)
REQUESTS = st.builds(
    lambda path, query, header, method: RequestHeaders(
        method, (path + query).encode(), b"h", fields=[(b"x", b"1")] if header else []
    ),
    st.one_of(PATHS, st.just("")),
    st.sampled_from(["", "?a", "#f", "?/a"]),
    st.booleans(),
    st.sampled_from([b"GET", b"CONNECT"]),
)


@fuzzed(300)
@given(st.lists(MATCHES, max_size=12), st.lists(REQUESTS, min_size=1, max_size=8))
def test_the_index_finds_what_a_scan_finds(matches: list[dict[str, Any]], requests: list[RequestHeaders]) -> None:
    config = route_configuration({"virtual_hosts": [virtual_host(*({"match": m, "route": {"cluster": "c"}} for m in matches))]})
    routes = config.virtual_hosts[0].routes
    for request in requests:
        path, _, query = request.path.partition(b"?")
        expected = first_match(routes, request, path.partition(b"#")[0], query, 0)
        assert find_route(config, request, 0) is expected


LABELS = st.lists(st.sampled_from(["a", "b", "*"]), min_size=1, max_size=3)
DOMAINS = st.one_of(
    st.just("*"),
    LABELS.map(lambda parts: ".".join(part.replace("*", "c") for part in parts)),
    LABELS.map(lambda parts: "*." + ".".join(part.replace("*", "c") for part in parts)),
    LABELS.map(lambda parts: ".".join(part.replace("*", "c") for part in parts) + ".*"),
)
HOSTS = st.lists(st.sampled_from(["a", "B", "c", "", "d"]), min_size=1, max_size=4).map(".".join)


def naive_domain(domains: list[str], host: str) -> str | None:
    """Envoy's order, by trying everything."""
    host = host.lower()
    if host in domains:
        return host
    suffixes = [d for d in domains if d.startswith("*.") and host.endswith(d[1:]) and len(host) >= len(d)]
    prefixes = [d for d in domains if d.endswith(".*") and host.startswith(d[:-1]) and len(host) >= len(d)]
    for candidates in (suffixes, prefixes):
        if candidates:
            return max(candidates, key=len)
    return "*" if "*" in domains else None


@fuzzed(300)
@given(st.lists(DOMAINS, unique=True, min_size=1, max_size=8), HOSTS)
def test_the_most_specific_domain_wins(domains: list[str], host: str) -> None:
    config = route_configuration({"virtual_hosts": [{"name": domain, "domains": [domain]} for domain in domains]})
    found = find_virtual_host(config, host.encode())
    assert (None if found is None else found.name) == naive_domain(domains, host)


@fuzzed(300)
@given(PATTERNS, PATHS)
def test_regexes_match_as_python_does_and_keep_their_bounds(pattern: str, path: str) -> None:
    expected = re.fullmatch(pattern, path, re.ASCII) is not None
    assert bool(Regex(pattern).matches(path.encode())) is expected
    specifier = path_rules.regex(Regex(pattern))
    assert bool(specifier.predicate()(path.encode())) is expected
    assert not expected or path.encode().startswith(specifier.literal)


@fuzzed(300)
@given(
    st.sampled_from(["a", "ab?", "[ab]+", "(a)(b)?", "^a", "b$", "."]),
    st.sampled_from(["", "x", r"<\0>", r"\1\1"]),
    st.text("abc", max_size=8),
)
def test_replacing_agrees_with_python_where_matches_are_not_empty(pattern: str, substitution: str, text: str) -> None:
    if "\\1" in substitution and "(" not in pattern:
        assert Regex(pattern).replacer(substitution)(text.encode()) == text.encode()
        return
    expected = re.sub(pattern, lambda found: _expand(found, substitution), text)
    assert Regex(pattern).replacer(substitution)(text.encode()).decode() == expected


def _expand(found: re.Match[str], substitution: str) -> str:
    first = (found.group(1) or "") if found.re.groups else ""
    return substitution.replace("\\0", found.group()).replace("\\1", first)
