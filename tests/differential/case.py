"""Case files: what is configured, who sends what when.  Expectations are never written: Envoy is the oracle.

One file is one case, or with `cases:` several that share the file's configuration.  Keys: see README.md beside this file.
Here: reading and checking them.  Not here: building a bootstrap (bootstrap.py), running (conversation.py).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.differential.script import Send, Step, parse_script, parse_step, speaks_http2

HERE = Path(__file__).resolve().parent
CASES = HERE / "cases"
CONFIGS = HERE / "configs"

CONFIG_KEYS = frozenset({"hcm", "routes", "virtual_hosts", "filters", "clusters", "listener", "bootstrap"})
TALK_KEYS = frozenset({"send", "body", "chunks", "trailers", "split", "client", "clients", "upstream", "upstreams"})
CHECK_KEYS = frozenset({"stats", "normalise", "listed difference", "refused here"})
KEYS = frozenset({"about", "config", "cases"}) | CONFIG_KEYS | TALK_KEYS | CHECK_KEYS
SEND_EXTRAS = ("body", "chunks", "trailers", "split")


@dataclass(frozen=True, slots=True)
class UpstreamScript:
    """What one cluster's endpoint does: the n-th script on its n-th connection, the last one on all that follow.

    kind: "script"; "answer" (the one step, after every request); "refuse" (nobody listens); "none" (a cluster without
    endpoints); "absent" (the cluster does not exist).
    """

    kind: str
    connections: tuple[tuple[Step, ...], ...] = ()

    @property
    def http2(self) -> bool:
        return any(map(speaks_http2, self.connections))


@dataclass(frozen=True, slots=True)
class Case:
    """One conversation and the configuration it runs against."""

    id: str
    about: str
    config: Mapping[str, Any]
    clients: Mapping[str, tuple[Step, ...]]
    upstreams: Mapping[str, UpstreamScript]
    stats: tuple[str, ...]
    normalise: tuple[str, ...]
    listed_difference: str
    refused_here: str
    """What the refusal names, while this configuration is not supported here."""

    @property
    def key(self) -> str:
        """The id as a name for listeners, clusters and statistics."""
        return self.id.replace("/", "-").replace(".", "-")

    @property
    def topic(self) -> str:
        return self.id.split("/", maxsplit=1)[0]

    @property
    def group(self) -> str:
        """Cases of one group share a pair of proxy processes: one topic, one bootstrap; one that is refused is alone."""
        if self.refused_here:
            return self.id
        return self.topic + json.dumps(self.config.get("bootstrap", {}), sort_keys=True)


def merge(base: object, overlay: object) -> Any:
    """*overlay* over *base*: mappings merge key by key, anything else replaces, null removes."""
    if not isinstance(base, Mapping) or not isinstance(overlay, Mapping):
        return copy.deepcopy(overlay)
    merged = copy.deepcopy(dict(base))
    for key, value in overlay.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def load_cases(root: Path = CASES) -> list[Case]:
    """Every case below *root*, in the order of their ids."""
    found: list[Case] = []
    for path in sorted(root.rglob("*.yaml")):
        found.extend(load_file(path, str(path.relative_to(root).with_suffix(""))))
    return found


def load_file(path: Path, file_id: str) -> list[Case]:
    document = yaml.safe_load(path.read_text())
    try:
        return list(_expand(document, file_id))
    except (ValueError, AssertionError, KeyError) as error:
        raise ValueError(f"{path}: {error}") from error


def _expand(document: Mapping[str, Any], file_id: str) -> Iterator[Case]:
    if "cases" not in document:
        yield _case(document, file_id)
        return
    shared = {key: value for key, value in document.items() if key != "cases"}
    for name, own in document["cases"].items():
        yield _case(merge(shared, own if isinstance(own, Mapping) else {"send": own}), f"{file_id}.{name}")


def _case(document: Mapping[str, Any], case_id: str) -> Case:
    if unknown := set(document) - KEYS:
        raise ValueError(f"{case_id}: unknown keys {sorted(unknown)}")
    base = yaml.safe_load((CONFIGS / f"{document.get('config', 'plain')}.yaml").read_text()) or {}
    config = merge(base, {key: document[key] for key in CONFIG_KEYS & set(document)})
    return Case(
        id=case_id,
        about=document.get("about", ""),
        config=config,
        clients=_clients(document),
        upstreams=_upstreams(document, config),
        stats=tuple(document.get("stats", ())),
        normalise=tuple(document.get("normalise", ())),
        listed_difference=document.get("listed difference", ""),
        refused_here=document.get("refused here", ""),
    )


def _clients(document: Mapping[str, Any]) -> dict[str, tuple[Step, ...]]:
    if "clients" in document:
        return {name: parse_script(steps) for name, steps in document["clients"].items()}
    if "client" in document:
        return {"client": parse_script(document["client"])}
    sent = document["send"]
    if isinstance(sent, str):
        sent = {"head": sent, **{key: document[key] for key in SEND_EXTRAS if key in document}}
    return {"client": parse_script(sent)}


def _upstreams(document: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, UpstreamScript]:
    forms: dict[str, Any] = {"up": document["upstream"]} if "upstream" in document else {}
    forms |= document.get("upstreams", {})
    names = ["up", *config.get("clusters", {}), *forms]
    return {name: _upstream(forms.get(name), name) for name in dict.fromkeys(names)}


def _upstream(form: object, cluster: str) -> UpstreamScript:
    if isinstance(form, str):
        if form not in ("refuse", "none", "absent"):
            raise ValueError(f"upstream: unknown {form!r}")
        return UpstreamScript(form)
    if form is None:
        form = {"head": f"HTTP/1.1 200 OK\ncontent-length: {len(cluster)}", "body": cluster}
    if isinstance(form, Mapping):
        answer = parse_step(form)
        assert isinstance(answer, Send), "upstream: one step that answers every request, or a list of steps"
        return UpstreamScript("answer", ((answer,),))
    assert isinstance(form, list)
    scripts = form if form and isinstance(form[0], list) else [form]
    return UpstreamScript("script", tuple(parse_script(steps) for steps in scripts))
