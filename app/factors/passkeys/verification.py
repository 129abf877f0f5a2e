"""What the answer of a ceremony proves, by py_webauthn and what it leaves to us.

The library is loaded before the workers fork: two of them need 7 MB more for it then, and 28 MB if each loads it at its
first use, for which that user would wait 0.2 s (PSS, measured 2026-11).
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from webauthn import verify_authentication_response, verify_registration_response
from webauthn.helpers import (
    base64url_to_bytes,
    decode_credential_public_key,
    decoded_public_key_to_cryptography,
    encode_cbor,
    parse_cbor,
    parse_client_data_json,
)
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.structs import CredentialDeviceType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from app.factors.ceremonies.model import Ceremony
    from app.factors.passkeys.model import Passkey

ALGORITHMS: Final = (
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
)
"""Those of new passkeys, the best first; one of the last two is known to every authenticator."""
_LONGEST_ID: Final = 1023
"""Bytes, WebAuthn Level 3 section 7.1."""
_LONGEST_KEY: Final = 1536
"""Bytes of a COSE key: an RSA key of 8192 bits has 1040."""


class NotProvenError(Exception):
    """The answer proves nothing; why is for the log alone."""


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """Who asks for passkeys: the domain they are made for, the name that users see, and who may ask in its name."""

    id: str
    name: str
    origins: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NewCredential:
    """A credential as an authenticator made it; the id and the COSE key are in base64url."""

    credential_id: str
    public_key: str
    aaguid: str
    backup_eligible: bool
    backed_up: bool
    sign_count: int


@dataclass(frozen=True, slots=True)
class Assertion:
    """What an authenticator said with a signature: whether the passkey is synced, and how often it was used."""

    backed_up: bool
    sign_count: int


def new_credential(credential: Mapping[str, Any], ceremony: Ceremony, party: RelyingParty) -> NewCredential:
    """The credential that was made in a ceremony, with user verification (WebAuthn Level 3 section 7.1).

    No attestation was asked for, and one that comes all the same is not looked at. Raises NotProvenError.
    """
    with _nothing_proven():
        made = verify_registration_response(
            credential=_without_attestation(credential),
            expected_challenge=base64url_to_bytes(ceremony.challenge),
            expected_rp_id=party.id,
            expected_origin=list(party.origins),
            require_user_verification=True,
            supported_pub_key_algs=list(ALGORITHMS),
        )
        _require_same_origin(credential)
        decoded_public_key_to_cryptography(decode_credential_public_key(made.credential_public_key))
    identifier = base64url(made.credential_id)
    if identifier != credential["id"] or len(made.credential_id) > _LONGEST_ID:
        raise NotProvenError("the credential id is another one, or too long")
    if len(made.credential_public_key) > _LONGEST_KEY:
        raise NotProvenError("the public key is too long")
    return NewCredential(
        credential_id=identifier,
        public_key=base64url(made.credential_public_key),
        aaguid=made.aaguid,
        backup_eligible=made.credential_device_type is CredentialDeviceType.MULTI_DEVICE,
        backed_up=made.credential_backed_up,
        sign_count=made.sign_count,
    )


def assertion(
    credential: Mapping[str, Any], passkey: Passkey, handle: str | None, ceremony: Ceremony, party: RelyingParty
) -> Assertion:
    """What a passkey signed in a ceremony, with user verification (WebAuthn Level 3 section 7.2).

    `handle` is the user handle of its owner. An authenticator that was told which passkeys there are need not send it,
    as it was by everyone who knew the user; but a login that knows nobody hangs on it. The count is for the caller to
    compare. Raises NotProvenError.
    """
    sent = credential["response"].get("userHandle")
    if handle is None or (sent != handle if sent is not None else ceremony.user_id is None):
        raise NotProvenError("the user handle is another one")
    with _nothing_proven():
        verified = verify_authentication_response(
            credential=dict(credential),
            expected_challenge=base64url_to_bytes(ceremony.challenge),
            expected_rp_id=party.id,
            expected_origin=list(party.origins),
            credential_public_key=base64url_to_bytes(passkey.public_key),
            credential_current_sign_count=0,  # compared by the caller: here it would come before the signature
            require_user_verification=True,
        )
        _require_same_origin(credential)
    is_eligible = verified.credential_device_type is CredentialDeviceType.MULTI_DEVICE
    if is_eligible is not passkey.backup_eligible:
        raise NotProvenError("the passkey has become another kind")
    return Assertion(verified.credential_backed_up, verified.new_sign_count)


@contextmanager
def _nothing_proven() -> Iterator[None]:
    """Turn whatever is raised inside into a NotProvenError: parsers of hostile bytes raise many kinds."""
    try:
        yield
    except Exception as error:
        raise NotProvenError(str(error)) from error


def _without_attestation(credential: Mapping[str, Any]) -> dict[str, Any]:
    """The credential as if its authenticator had attested nothing, so that no certificate of strangers is parsed."""
    response = credential["response"]
    attested = parse_cbor(base64url_to_bytes(response["attestationObject"]))
    plain = encode_cbor({"fmt": "none", "attStmt": {}, "authData": attested["authData"]})
    return {**credential, "response": {**response, "attestationObject": base64url(plain)}}


def _require_same_origin(credential: Mapping[str, Any]) -> None:
    """Refuse what was asked for inside a page of another site (WebAuthn Level 3 section 7.1, step 10; 7.2, step 13)."""
    client = parse_client_data_json(base64url_to_bytes(credential["response"]["clientDataJSON"]))
    if client.cross_origin:
        raise NotProvenError("a page of another site framed the one that asked")


def base64url(content: bytes) -> str:
    """Bytes in base64url without padding, as WebAuthn has them in JSON."""
    return urlsafe_b64encode(content).rstrip(b"=").decode()
