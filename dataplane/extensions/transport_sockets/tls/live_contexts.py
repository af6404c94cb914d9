"""Contexts that follow their secrets: made anew when a secret they use is another object, for the next handshake; open connections stay.

Here: when, also for a file with trust bundles.  Not here: what a context is made of (contexts).  What comes by SDS and cannot be used
leaves the contexts before in use.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Generic, TypeVar

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.validation_context import check_validation
from dataplane.extensions.transport_sockets.tls.bundle_file import BundleFile
from dataplane.snapshot.secret import TlsCertificate, ValidationContext
from dataplane.snapshot.tls import CommonTls

log = logging.getLogger("config")

Built = TypeVar("Built")
Materials = tuple[tuple[TlsCertificate, ...], ValidationContext | None]
Build = Callable[[tuple[TlsCertificate, ...], ValidationContext | None], Built]


class LiveContexts(Generic[Built]):
    """build: from all certificates and the merged validation context; raises ConfigError."""

    __slots__ = ("_build", "_bundle_file", "_common", "_current", "_materials", "_of", "_seen")

    def __init__(self, common: CommonTls, build: Build[Built]) -> None:
        """Without references the contexts are made now, and once for all.  Raises ConfigError."""
        self._common = common
        self._build = build
        self._seen: Mapping[str, object] | None = None
        self._of: tuple[object, ...] = ()
        self._current: Built | None = None
        self._materials: Materials | None = None  # what the current contexts are made of
        self._bundle_file: BundleFile | None = None
        if not common.references:
            self._use((common.certificates, common.validation))

    def follow(self, secrets: Mapping[str, object]) -> Built | None:
        """The contexts for a handshake that begins now, None while a secret has never been there."""
        if secrets is not self._seen and self._common.references:
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
        self._current = self._build(*materials)
        self._materials = materials
        validation = materials[1]
        followed = validation is not None and validation.trust_bundles_path
        if validation is None or not followed:
            self._bundle_file = None
        elif self._bundle_file is None or validation.trust_domains is not self._bundle_file.domains:
            self._bundle_file = BundleFile(validation.trust_bundles_path, validation.trust_domains)

    def _renew(self, secrets: Mapping[str, object]) -> None:
        found = tuple(secrets.get(reference.key) for reference in self._common.references)
        if None in found or (len(found) == len(self._of) and all(new is old for new, old in zip(found, self._of, strict=True))):
            return
        self._of = found
        try:
            self._use(self._found(found))
        except ConfigError as error:
            names = ", ".join(reference.name for reference in self._common.references)
            log.error("secrets %s cannot be used, what was in use before stays: %s", names, error)

    def _follow_file(self, file: BundleFile) -> None:
        assert self._materials is not None
        certificates, validation = self._materials
        assert validation is not None
        try:
            self._use((certificates, replace(validation, trust_domains=file.domains)))
        except ConfigError as error:
            log.error(
                "trust bundles of %s cannot be used, what was in use before stays: %s", validation.trust_bundles_path, error
            )

    def _found(self, found: tuple[object, ...]) -> Materials:
        common = self._common
        count = len(common.certificate_references)
        certificates = list(common.certificates)
        for secret, reference in zip(found, common.references, strict=True):
            wanted = TlsCertificate if reference in common.certificate_references else ValidationContext
            if not isinstance(secret, wanted):
                raise ConfigError(FieldPath("Secret", reference.name), f"is not a {wanted.__name__}")
            if isinstance(secret, TlsCertificate):
                certificates.append(secret)
        validation = common.validation
        if common.validation_reference is not None and isinstance(found[count], ValidationContext):
            from_secret = found[count]
            assert isinstance(from_secret, ValidationContext)
            validation = from_secret if validation is None else validation.merged(from_secret)
            check_validation(validation, FieldPath("Secret", common.validation_reference.name))
        return tuple(certificates), validation
