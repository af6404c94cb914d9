"""xds.type.matcher.v3.Matcher → matching.tree.

Inputs and actions are extensions of the place where a tree stands, so they are arguments.  Errors are raised.
Envoy: Matcher::MatchTreeFactory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from xds.core.v3.cidr_pb2 import CidrRange
from xds.core.v3.extension_pb2 import TypedExtensionConfig
from xds.type.matcher.v3.ip_pb2 import IPMatcher
from xds.type.matcher.v3.matcher_pb2 import Matcher
from xds.type.matcher.v3.regex_pb2 import RegexMatcher
from xds.type.matcher.v3.string_pb2 import StringMatcher

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.fields import type_name, unpack_typed
from dataplane.compile.support import supports
from dataplane.matching import cidr, string
from dataplane.matching.regex import BadRegex, Regex
from dataplane.matching.tree import ExactMap, FirstOf, Input, IpMap, IpRange, Leaf, Node, Nothing, Predicate, PrefixMap

supports(Matcher, "matcher_list", "matcher_tree", "on_no_match")
supports(Matcher.OnMatch, "matcher", "action", "keep_matching")
supports(Matcher.MatcherList, "matchers")
supports(Matcher.MatcherList.FieldMatcher, "predicate", "on_match")
supports(Matcher.MatcherList.Predicate, "single_predicate", "or_matcher", "and_matcher", "not_matcher")
supports(Matcher.MatcherList.Predicate.SinglePredicate, "input", "value_match")
supports(Matcher.MatcherList.Predicate.PredicateList, "predicate")
supports(Matcher.MatcherTree, "input", "exact_match_map", "prefix_match_map", "custom_match")
supports(Matcher.MatcherTree.MatchMap, "map")
supports(TypedExtensionConfig, "name", "typed_config")
supports(StringMatcher, "exact", "prefix", "suffix", "safe_regex", "contains", "ignore_case")
supports(RegexMatcher, "google_re2", "regex")
supports(RegexMatcher.GoogleRE2)
supports(IPMatcher, "range_matchers")
supports(IPMatcher.IPRangeMatcher, "ranges", "on_match", "exclusive")
supports(CidrRange, "address_prefix", "prefix_len")

ResultT = TypeVar("ResultT")

_NOTHING: Final = Nothing()
_TESTS: Final[Mapping[str, Callable[[bytes, bool], string.StringPredicate]]] = {
    "exact": string.exact,
    "prefix": string.prefix,
    "suffix": string.suffix,
    "contains": string.contains,
}


@dataclass(frozen=True, slots=True)
class TreeCompiler(Generic[ResultT]):
    """inputs: by the full name of their message, made from it.  action: from the message of an action to what the tree finds."""

    inputs: Mapping[str, Callable[[Any], Input]]
    action: Callable[[Any, str, FieldPath], ResultT]

    def compile(self, message: Matcher, at: FieldPath) -> Node[ResultT]:
        otherwise: Node[ResultT] = _NOTHING
        if message.HasField("on_no_match"):
            otherwise = self._on_match(message.on_no_match, at / "on_no_match")
        kind = message.WhichOneof("matcher_type")
        if kind == "matcher_list":
            return self._list(message.matcher_list, at / "matcher_list" / "matchers", otherwise)
        return self._tree(message.matcher_tree, at / "matcher_tree", otherwise) if kind == "matcher_tree" else otherwise

    def _on_match(self, message: Matcher.OnMatch, at: FieldPath) -> Node[ResultT]:
        """What only is to be noted, while matching goes on, has no result."""
        if message.WhichOneof("on_match") == "matcher":
            node = self.compile(message.matcher, at / "matcher")
        else:
            packed, at = message.action, at / "action"
            result = self.action(unpack_typed(packed.typed_config, at / "typed_config"), packed.name, at / "typed_config")
            node = Leaf(result)
        return _NOTHING if message.keep_matching else node

    def _list(self, message: Matcher.MatcherList, at: FieldPath, otherwise: Node[ResultT]) -> Node[ResultT]:
        branches = tuple(
            (self._predicate(each.predicate, at / index / "predicate"), self._on_match(each.on_match, at / index / "on_match"))
            for index, each in enumerate(message.matchers)
        )
        return FirstOf(branches, otherwise)

    def _predicate(self, message: Matcher.MatcherList.Predicate, at: FieldPath) -> Predicate:
        kind = message.WhichOneof("match_type")
        if kind == "not_matcher":
            inner = self._predicate(message.not_matcher, at / "not_matcher")
            return lambda subject: not inner(subject)
        if kind == "single_predicate":
            return self._single(message.single_predicate, at / "single_predicate")
        listed = message.or_matcher if kind == "or_matcher" else message.and_matcher
        at = at / str(kind) / "predicate"
        parts = tuple(self._predicate(each, at / index) for index, each in enumerate(listed.predicate))
        if kind == "or_matcher":
            return lambda subject: any(holds(subject) for holds in parts)
        return lambda subject: all(holds(subject) for holds in parts)

    def _single(self, message: Matcher.MatcherList.Predicate.SinglePredicate, at: FieldPath) -> Predicate:
        read = self._input(message.input, at / "input")
        test = _string_test(message.value_match, at / "value_match")

        def holds(subject: object) -> bool:
            value = read(subject)
            return value is not None and bool(test(value.encode()))

        return holds

    def _tree(self, message: Matcher.MatcherTree, at: FieldPath, otherwise: Node[ResultT]) -> Node[ResultT]:
        read = self._input(message.input, at / "input")
        kind = message.WhichOneof("tree_type")
        if kind == "custom_match":
            return self._custom(message.custom_match, at / "custom_match", read, otherwise)
        found = message.exact_match_map if kind == "exact_match_map" else message.prefix_match_map
        at = at / str(kind) / "map"
        branches = {key: self._on_match(each, at / key) for key, each in found.map.items()}
        if kind == "exact_match_map":
            return ExactMap(read, branches, otherwise)
        return PrefixMap(read, sorted(branches.items(), key=lambda branch: -len(branch[0])), otherwise)

    def _custom(self, packed: TypedExtensionConfig, at: FieldPath, read: Input, otherwise: Node[ResultT]) -> Node[ResultT]:
        message, at = unpack_typed(packed.typed_config, at / "typed_config"), at / "typed_config"
        if not isinstance(message, IPMatcher):
            reason = (
                f"Didn't find a registered implementation for '{packed.name}' with type URL: '{message.DESCRIPTOR.full_name}'"
            )
            raise ConfigError(at, reason)
        ranges = []
        for index, each in enumerate(message.range_matchers):
            node = self._on_match(each.on_match, at / "range_matchers" / index / "on_match")
            for number, one in enumerate(each.ranges):
                place = at / "range_matchers" / index / "ranges" / number
                ranges.append(IpRange(_network(one, place), node, each.exclusive))
        return IpMap(read, sorted(ranges, key=lambda each: -each.network.prefixlen), otherwise)

    def _input(self, packed: TypedExtensionConfig, at: FieldPath) -> Input:
        name = type_name(packed.typed_config)
        if name not in self.inputs:
            reason = f"Didn't find a registered implementation for '{packed.name}' with type URL: '{name}'"
            raise ConfigError(at / "typed_config", reason)
        return self.inputs[name](unpack_typed(packed.typed_config, at / "typed_config"))


def _string_test(message: StringMatcher, at: FieldPath) -> string.StringPredicate:
    kind = str(message.WhichOneof("match_pattern"))
    if kind in _TESTS:
        return _TESTS[kind](getattr(message, kind).encode(), message.ignore_case)
    if message.ignore_case:
        raise ConfigError(at / "ignore_case", "ignore_case has no effect for safe_regex.")
    try:
        return string.regex(Regex(message.safe_regex.regex))
    except BadRegex as error:
        raise ConfigError(at / "safe_regex" / "regex", str(error)) from error


def _network(message: CidrRange, at: FieldPath) -> cidr.IpNetwork:
    try:
        return cidr.network(message.address_prefix, message.prefix_len.value)
    except ValueError:
        raise ConfigError(at / "address_prefix", f"malformed IP address: {message.address_prefix}") from None
