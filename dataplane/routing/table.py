"""From a request to its route: the virtual host by authority, then the first route that matches.

Here: both look-ups and the index that makes the second one fast.  Not here: what a single route asks for (compile.matcher), what is
done with the route (routing.actions, router).
Invariant: for every request the index gives the route that trying the routes in order would give (tests/property).
Envoy: config.route.v3.{RouteConfiguration, VirtualHost}; intro/arch_overview/http/http_routing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from operator import itemgetter
from typing import Final

from dataplane.matching.regex import match_together
from dataplane.matching.tree import Node
from dataplane.routing.route import HeaderMutations, RedirectAction, Route, RouteConfiguration, VirtualCluster, VirtualHost
from dataplane.semantics.header_map import RequestHeaders

RouteLookUp = Callable[[RequestHeaders, bytes, bytes, int], Route | None]  # (headers, path, query, random_value)
Test = Callable[[RequestHeaders, bytes, bytes, int], bool]
_Entry = tuple[Test | None, Route]  # None: nothing but the literal is asked for
_Choice = tuple[int, Test | None, Route]  # the number in the bucket's regexes, -1 for none; what is left to test
_Regexes = Callable[[bytes], Sequence[int] | None]
_Bucket = tuple[tuple[_Entry, ...], tuple[_Regexes, tuple[_Choice, ...]] | None]

_FRAGMENT: Final = ord("#")  # asked for as a number: for one byte as bytes, `in` raises and catches a TypeError first

TLS_ALL: Final = 2  # VirtualHost.TlsRequirementType
TLS_EXTERNAL_ONLY: Final = 1


def find_virtual_host(config: RouteConfiguration, authority: bytes) -> VirtualHost | None:
    """Exact domain, longest `*.suffix`, longest `prefix.*`, then `*`.  Case and, where configured, the port do not count."""
    if not (config.exact_domains or config.suffix_domains or config.prefix_domains):
        return config.default_virtual_host
    host = authority.lower()
    if config.ignore_port_in_host_matching:
        host = without_port(host)
    found = config.exact_domains.get(host)
    if found is not None:
        return found
    for suffix, virtual_host in config.suffix_domains:
        if len(host) > len(suffix) and host.endswith(suffix):
            return virtual_host
    for prefix, virtual_host in config.prefix_domains:
        if len(host) > len(prefix) and host.startswith(prefix):
            return virtual_host
    return config.default_virtual_host


def find_route(config: RouteConfiguration, headers: RequestHeaders, random_value: int) -> Route | None:
    """The route of a request, None where there is none (404, NR).

    random_value: 64 random bits of this request; the same ones choose among weighted clusters.
    """
    host = find_virtual_host(config, headers.authority)
    if host is None:
        return None
    if host.require_tls and _must_redirect(host.require_tls, headers):
        return TLS_REDIRECT
    path, _, query = headers.path.partition(b"?")
    if _FRAGMENT in path:
        path = path[: path.index(_FRAGMENT)]
    if host.find is not None:
        return host.find(headers, path, query, random_value)
    return first_match(host.routes, headers, path, query, random_value)


def first_match(routes: Iterable[Route], headers: RequestHeaders, path: bytes, query: bytes, random_value: int) -> Route | None:
    """Try the routes one by one: what the index must agree with.  A request without a path matches only `pathless` routes."""
    for route in routes:
        if (path or route.pathless) and route.matches(headers, path, query, random_value):
            return route
    return None


def virtual_cluster_of(clusters: Iterable[VirtualCluster], headers: RequestHeaders) -> str:
    """The name of the first virtual cluster that matches; as Envoy has it `other` for requests that match none of several."""
    for candidate in clusters:
        if candidate.matches(headers):
            return candidate.name
    return "other"


def without_port(host: bytes) -> bytes:
    """*host* without `:port`; an IPv6 address keeps its brackets."""
    colon = host.rfind(b":")
    if colon < 0 or host.rfind(b"]") > colon or not host[colon + 1 :].isdigit():
        return host
    if host.count(b":") > 1 and not host.startswith(b"["):
        return host
    return host[:colon]


class MatchedRoutes:
    """The routes of a virtual host that has a matcher: a tree over the request's headers finds the index of those to try.

    What it finds is all there is: where none of them matches there is no route.
    """

    __slots__ = ("_tree",)

    def __init__(self, tree: Node[RouteIndex]) -> None:
        self._tree = tree

    def __call__(self, headers: RequestHeaders, path: bytes, query: bytes, random_value: int) -> Route | None:
        found = self._tree.find(headers)
        return None if found is None else found(headers, path, query, random_value)


class RouteIndex:
    """The routes of a virtual host by what their paths begin with.

    Every route has a literal that a matching path begins with (or equals).  The longest literal that the path begins with decides
    which others it begins with too, so each literal has its bucket ready: all entries that can match, in order, cut after the first
    that matches without further test.  A look-up is one dict get for the whole path, or one per distinct length of literals; the
    regexes of a bucket are matched together.
    Budget: bench/micro/route_table.py.
    """

    __slots__ = ("_exact", "_pathless", "_prefixes")

    def __init__(self, routes: Sequence[Route]) -> None:
        whole, begin = _by_literal(routes)
        lengths = sorted({len(literal) for literal in begin}, reverse=True)
        self._pathless = tuple(route for route in routes if route.pathless)
        self._exact = {literal: _bucket(entries, literal, begin, lengths) for literal, entries in whole.items()}
        buckets = {literal: _bucket((), literal, begin, lengths) for literal in begin}
        self._prefixes = tuple(
            (length, {literal: bucket for literal, bucket in buckets.items() if len(literal) == length}) for length in lengths
        )

    def __call__(self, headers: RequestHeaders, path: bytes, query: bytes, random_value: int) -> Route | None:
        if not path:
            return first_match(self._pathless, headers, path, query, random_value)
        bucket = self._exact.get(path)
        if bucket is None:
            for length, buckets in self._prefixes:
                bucket = buckets.get(path[:length])
                if bucket is not None:
                    break
            else:
                return None
        entries, with_regexes = bucket
        if with_regexes is not None:
            return _choose(*with_regexes, headers, path, query, random_value)
        for test, route in entries:
            if test is None or test(headers, path, query, random_value):
                return route
        return None


def _choose(
    regexes: _Regexes, choices: tuple[_Choice, ...], headers: RequestHeaders, path: bytes, query: bytes, random_value: int
) -> Route | None:
    """The first of *choices*, asking all regexes of the bucket in one go."""
    matching = regexes(path) or ()
    for number, test, route in choices:
        if (number < 0 or number in matching) and (test is None or test(headers, path, query, random_value)):
            return route
    return None


_Numbered = list[tuple[int, _Entry]]


def _by_literal(routes: Sequence[Route]) -> tuple[dict[bytes, _Numbered], dict[bytes, _Numbered]]:
    """Entries by the literal that paths must equal, and by the literal that they must begin with."""
    whole: dict[bytes, _Numbered] = {}
    begin: dict[bytes, _Numbered] = {}
    for number, route in enumerate(routes):
        literal, is_whole = (b"", False) if route.path is None else (route.path.literal, route.path.whole)
        (whole if is_whole else begin).setdefault(literal, []).append((number, _entry(route)))
    return whole, begin


def _entry(route: Route) -> _Entry:
    """What is left to test when the literal is known to match."""
    if route.path is None:
        return route.matches, route
    test = route.path.test
    if test is None:
        return _rest(route), route
    if route.condition is None:
        return (lambda headers, path, query, random_value: bool(test(path))), route
    return route.matches, route


def _rest(route: Route) -> Test | None:
    """What is left to test when the path is known to match."""
    condition = route.condition
    if condition is None:
        return None
    return lambda headers, path, query, random_value: condition(headers, query, random_value)


def _bucket(
    own: Iterable[tuple[int, _Entry]], literal: bytes, begin: Mapping[bytes, _Numbered], lengths: Sequence[int]
) -> _Bucket:
    """All entries for paths with *literal*: its own and those of the literals it begins with, in the order of the routes."""
    numbered = list(own)
    for length in lengths:
        if length <= len(literal):
            numbered += begin.get(literal[:length], ())
    kept: list[_Entry] = []
    for _, entry in sorted(numbered, key=itemgetter(0)):
        kept.append(entry)
        if entry[0] is None:
            break
    return tuple(kept), _with_regexes(kept)


def _with_regexes(entries: Sequence[_Entry]) -> tuple[_Regexes, tuple[_Choice, ...]] | None:
    """Matching two regexes in one call costs less than one after the other; None where there are fewer, or they are too large."""
    patterns = [route.path.regex for _, route in entries if route.path is not None and route.path.regex is not None]
    together = match_together(patterns) if len(patterns) > 1 else None
    if together is None:
        return None
    numbers = count()
    choices: list[_Choice] = []
    for test, route in entries:
        if route.path is not None and route.path.regex is not None:
            choices.append((next(numbers), _rest(route), route))
        else:
            choices.append((-1, test, route))
    return together, tuple(choices)


def _must_redirect(require_tls: int, headers: RequestHeaders) -> bool:
    if headers.get(b"x-forwarded-proto") == b"https":
        return False
    return require_tls == TLS_ALL or headers.get(b"x-envoy-internal") != b"true"


def _https_location(headers: RequestHeaders) -> bytes:
    return b"https://" + headers.authority + headers.path


TLS_REDIRECT: Final = Route(
    name="",
    matches=lambda headers, path, query, random_value: True,
    action=RedirectAction(301, _https_location),
    match_key=b"",
    mutations=(HeaderMutations(),),
)
"""Answer to a request without TLS where its virtual host requires TLS."""
