"""What a connection manager does to a response's headers before they are sent: date, server, via, hop-by-hop.

Here: the order of what is added, which clients see.  Not here: framing (codec), `connection: close` (http.stream).
Envoy: ConnectionManagerUtility::mutateResponseHeaders, ActiveStream::encodeHeaders.
"""

from __future__ import annotations

from dataplane.http.config import HttpConnectionManagerConfig, ServerHeaderTransformation
from dataplane.http.date import DateField
from dataplane.semantics import forwarded, hop_by_hop, noticed
from dataplane.semantics.header_map import Field, RequestHeaders, ResponseHeaders


class ResponseFinish:
    """The configured steps; one per connection manager."""

    def __init__(self, config: HttpConnectionManagerConfig, date: DateField) -> None:
        self._date = date
        self._server: Field = (b"server", config.server_name)
        self._transformation = config.server_header_transformation
        self._via = config.via
        self._with_request_id = config.always_set_request_id_in_response
        self._plain = self._transformation is ServerHeaderTransformation.OVERWRITE and not (self._via or self._with_request_id)

        self._may_be_forced = config.internal_addresses is not None  # nobody else may ask for a trace

    def apply(self, headers: ResponseHeaders, request: RequestHeaders | None) -> None:
        if not self._plain or (self._may_be_forced and request is not None and b"x-envoy-force-trace" in request):
            self._apply_with_care(headers, request)
            return
        fields = headers.fields
        special = headers.noticed
        if special is None:
            special = noticed.among(noticed.RESPONSE, fields)
        if special:  # one pass: nearly every server sends a date, its name and `connection`
            server, unwanted = self._server, hop_by_hop.RESPONSE_NAMES
            fields = [server if field[0] == b"server" else field for field in fields if field[0] not in unwanted]
            headers.fields = fields
            if special.count(b"server") > 1:
                headers.set(*server)
                fields = headers.fields
        if b"date" not in special:
            fields.append(self._date())
        if b"server" not in special:
            fields.append(self._server)

    def _apply_with_care(self, headers: ResponseHeaders, request: RequestHeaders | None) -> None:
        unwanted = hop_by_hop.RESPONSE_NAMES
        headers.fields = fields = [field for field in headers.fields if field[0] not in unwanted]
        if b"date" not in headers:
            fields.append(self._date())
        self._set_server(headers)
        if request is not None and (self._with_request_id or b"x-envoy-force-trace" in request):
            request_id = request.get(b"x-request-id")
            if request_id is not None:
                headers.set(b"x-request-id", request_id)
        if self._via:
            forwarded.append(headers, b"via", self._via, b", ")

    def _set_server(self, headers: ResponseHeaders) -> None:
        wanted = self._transformation
        if wanted is ServerHeaderTransformation.OVERWRITE or (
            wanted is ServerHeaderTransformation.APPEND_IF_ABSENT and b"server" not in headers
        ):
            headers.set(*self._server)
