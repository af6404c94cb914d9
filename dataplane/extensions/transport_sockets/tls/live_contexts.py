"""Contexts that follow their secrets: made anew when a secret they use is another object, for the next handshake; open connections stay.

Here: when, also for a file with trust bundles.  Not here: what a context is made of (contexts).  What comes by SDS and cannot be used
leaves the contexts before in use.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.validation_context import check_validation
from dataplane.extensions.transport_sockets.tls.bundle_file import BundleFile
from dataplane.snapshot.secret import SecretReference, SecretValue, SessionTicketKeys, TlsCertificate, ValidationContext
from dataplane.snapshot.tls import CommonTls

log = logging.getLogger("config")

Built = TypeVar("Built")
_Secret = TypeVar("_Secret", bound=SecretValue)


@dataclass(frozen=True, slots=True)
class Materials:
    """What contexts are made of.  validation: merged.  ticket_keys: those that came by SDS."""

    certificates: tuple[TlsCertificate, ...]
    validation: ValidationContext | None
    ticket_keys: tuple[bytes, ...] = field(default=(), repr=False)


class LiveContexts(Generic[Built]):
    """build: raises ConfigError.  ticket_keys: a reference beside those of *common*."""

    __slots__ = ("_build", "_bundle_file", "_common", "_current", "_materials", "_of", "_references", "_seen")

    def __init__(
        self, common: CommonTls, build: Callable[[Materials], Built], ticket_keys: SecretReference | None = None
    ) -> None:
        """Without references the contexts are made now, and once for all.  Raises ConfigError."""
        self._common = common
        self._references = common.references if ticket_keys is None else (*common.references, ticket_keys)
        self._build = build
        self._seen: Mapping[str, object] | None = None
        self._of: tuple[object, ...] = ()
        self._current: Built | None = None
        self._materials: Materials | None = None  # what the current contexts are made of
        self._bundle_file: BundleFile | None = None
        if not self._references:
            self._use(Materials(common.certificates, common.validation))

    def follow(self, secrets: Mapping[str, object]) -> Built | None:
        """The contexts for a handshake that begins now, None while a secret has never been there."""
        if secrets is not self._seen and self._references:
            self._seen = secrets
            self._renew(secrets)
        if self._bundle_file is not None and self._bundle_file.renew():
            self._follow_file(self._bundle_file)
        return self._current

    def materials(self, secrets: Mapping[str, object]) -> Materials | None:
        """What a handshake that begins now is made with, None as for `follow`."""
        self.follow(secrets)
        return self._materials

    def _use(self, materials: Materials) -> None:
        """Raises ConfigError; then nothing has changed."""
        self._current = self._build(materials)
        self._materials = materials
        validation = materials.validation
        followed = validation is not None and validation.trust_bundles_path
        if validation is None or not followed:
            self._bundle_file = None
        elif self._bundle_file is None or validation.trust_domains is not self._bundle_file.domains:
            self._bundle_file = BundleFile(validation.trust_bundles_path, validation.trust_domains)

    def _renew(self, secrets: Mapping[str, object]) -> None:
        found = tuple(secrets.get(reference.key) for reference in self._references)
        if None in found or (len(found) == len(self._of) and all(new is old for new, old in zip(found, self._of, strict=True))):
            return
        self._of = found
        try:
            self._use(self._found(found))
        except ConfigError as error:
            names = ", ".join(reference.name for reference in self._references)
            log.error("secrets %s cannot be used, what was in use before stays: %s", names, error)

    def _follow_file(self, file: BundleFile) -> None:
        assert self._materials is not None
        validation = self._materials.validation
        assert validation is not None
        try:
            self._use(replace(self._materials, validation=replace(validation, trust_domains=file.domains)))
        except ConfigError as error:
            log.error(
                "trust bundles of %s cannot be used, what was in use before stays: %s", validation.trust_bundles_path, error
            )

    def _found(self, found: tuple[object, ...]) -> Materials:
        """found: the secrets, in the order of the references.  Raises ConfigError."""
        common = self._common
        certificates = list(common.certificates)
        validation = common.validation
        ticket_keys: tuple[bytes, ...] = ()
        for secret, reference in zip(found, self._references, strict=True):
            if reference in common.certificate_references:
                certificates.append(_typed(secret, TlsCertificate, reference))
            elif reference is common.validation_reference:
                from_secret = _typed(secret, ValidationContext, reference)
                validation = from_secret if validation is None else validation.merged(from_secret)
                check_validation(validation, FieldPath("Secret", reference.name))
            else:
                ticket_keys = _typed(secret, SessionTicketKeys, reference).keys
        return Materials(tuple(certificates), validation, ticket_keys)


def _typed(secret: object, kind: type[_Secret], reference: SecretReference) -> _Secret:
    if not isinstance(secret, kind):
        raise ConfigError(FieldPath("Secret", reference.name), f"is not a {kind.__name__}")
    return secret
