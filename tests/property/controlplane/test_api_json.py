"""Any message of the API survives JSON, and every field of it is there for scripts to read."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from controlplane.api.json_form import from_json, to_json
from controlplane.api.v1 import management_pb2 as api

texts = st.text(max_size=5)
numbers = st.integers(0, 2**32 - 1)
localities = st.builds(api.Locality, region=texts, zone=texts, sub_zone=texts)
selectors = st.builds(
    api.Selector,
    node_ids=st.lists(texts, max_size=2),
    node_clusters=st.lists(texts, max_size=2),
    metadata=st.dictionaries(texts, texts, max_size=2),
    locality=st.none() | localities,
)
groups = st.builds(
    api.Group,
    name=texts,
    selectors=st.lists(selectors, max_size=2),
    priority=st.integers(-(2**31), 2**31 - 1),
    inherits=st.none() | st.booleans(),
)
requests = st.builds(
    api.ApplyRequest,
    documents=st.lists(st.builds(api.Document, text=texts, source=texts), max_size=2),
    resources=st.lists(st.builds(api.EncodedResource, type_url=texts, value=st.binary(max_size=5)), max_size=2),
    deletes=st.lists(st.builds(api.ResourceKey, group=texts, type_url=texts, name=texts), max_size=2),
    groups=st.lists(groups, max_size=2),
    prune=st.booleans(),
    message=texts,
    expected_revision=st.none() | numbers,
)
responses = st.builds(
    api.ApplyResponse,
    revision=st.none() | st.builds(api.Revision, number=numbers, author=texts),
    changes=st.lists(st.builds(api.Change, kind=st.sampled_from([0, 1, 2, 3]), name=texts), max_size=2),
)


@given(st.one_of(requests, responses, groups))
def test_messages_survive_json(message: api.ApplyRequest | api.ApplyResponse | api.Group) -> None:
    again = type(message)()
    from_json(json.loads(json.dumps(to_json(message))), again)
    assert again == message


@given(responses)
def test_fields_are_present_even_when_they_have_their_default(message: api.ApplyResponse) -> None:
    fields = to_json(message)
    assert fields.keys() | {"revision"} == {"revision", "unchanged", "dry_run", "changes", "warnings"}
    assert ("revision" in fields) == message.HasField("revision")
    assert all(change.keys() == {"kind", "group", "type_url", "name", "diff"} for change in fields["changes"])
