"""What the policies of TlsParameters.compliance_policies stand for.

Envoy: TlsParameters.CompliancePolicy; BoringSSL's ssl_compliance_policy_fips_202205, after NIST SP 800-52 revision 2.
"""

from __future__ import annotations

from typing import Final

from dataplane.snapshot.tls import TlsParameters

FIPS_202205: Final = TlsParameters(
    minimum="TLSv1_2",
    maximum="TLSv1_3",
    ciphers=":".join(
        f"ECDHE-{key}-{cipher}" for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384") for key in ("RSA", "ECDSA")
    ),
    ciphersuites=("TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256"),
    curves=("prime256v1", "secp384r1"),
    signature_algorithms=(
        *(f"rsa_pkcs1_sha{size}" for size in (256, 384, 512)),
        "ecdsa_secp256r1_sha256",
        "ecdsa_secp384r1_sha384",
        *(f"rsa_pss_rsae_sha{size}" for size in (256, 384, 512)),
    ),
)
