"""Checkpoints: what they state, signed with the signing key, and who can have made one.

A checkpoint is a JWS. Its header holds the public key, since a key that was replaced is not published any more. Anyone
can sign with a key of their own, so that key proves nothing by itself: a checkpoint is trusted if the service publishes
its key, if its HMAC is right, or if the next trusted one names it.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

from app.audit.chain.model import Checkpoint
from app.audit.signatures import in_text, mac_of, root_of
from app.platform.identifiers import digest_of_token

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.security.secret_keys import SecretKeys

TYPE: Final = "latchkey-checkpoint+jws"
"""The type in the header, so that no checkpoint is taken for another token."""
_LABEL: Final = "latchkey audit checkpoint"


class UnsignedError(Exception):
    """What is in a token, if anything, was not signed by the key that its header names."""


@dataclass(frozen=True, slots=True)
class SignedStatement:
    """What a token states, and whether its key is one that the service publishes."""

    claims: Mapping[str, Any]
    published: bool


class StatementKeys(Protocol):
    """Signs statements that others can verify; the feature `keys` implements it."""

    def sign(self, claims: Mapping[str, Any], typ: str) -> str:
        """A JWS by the key that signs now, with its public part in the header. Raises Unavailable."""

    def read(self, token: str, typ: str) -> SignedStatement:
        """What a token of `sign` states. Raises UnsignedError, and Unavailable."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What a checkpoint says of the chain."""

    number: int
    seq: int
    hash: str
    """The hash of the link `seq`."""
    at: datetime
    kept_until: datetime
    previous: str | None
    """The SHA-256 of the token of the checkpoint before this one."""

    def signed(self, keys: StatementKeys, secrets: SecretKeys) -> Checkpoint:
        """The checkpoint that says so. Raises Unavailable."""
        claims = {
            "number": self.number,
            "seq": self.seq,
            "hash": self.hash,
            "at": in_text(self.at),
            "kept_until": in_text(self.kept_until),
            "previous": self.previous,
        }
        token, root = keys.sign(claims, TYPE), secrets.current
        mac = mac_of(token, root, _LABEL)
        return Checkpoint(self.number, self.seq, self.at, self.kept_until, token, root.name, mac)

    @classmethod
    def of(cls, claims: Mapping[str, Any]) -> Statement:
        """The statement in these claims; raises UnsignedError if they hold none."""
        try:
            return cls(
                int(claims["number"]),
                int(claims["seq"]),
                str(claims["hash"]),
                datetime.fromisoformat(claims["at"]).astimezone(UTC),
                datetime.fromisoformat(claims["kept_until"]).astimezone(UTC),
                claims["previous"],
            )
        except (KeyError, TypeError, ValueError):
            raise UnsignedError from None


@dataclass(frozen=True, slots=True)
class Examined:
    """A checkpoint that was examined: what it states, and what is wrong with it, if something is."""

    checkpoint: Checkpoint
    statement: Statement | None
    problem: str | None


def examine(checkpoints: Sequence[Checkpoint], keys: StatementKeys, secrets: SecretKeys) -> list[Examined]:
    """All checkpoints, in their order, each with what is wrong with it. Raises Unavailable."""
    found: list[Examined] = []
    named: str | None = None
    for checkpoint in reversed(checkpoints):
        examined = _examined(checkpoint, named == digest_of_token(checkpoint.token), keys, secrets)
        # Only what is trusted itself can vouch for the one before it.
        named = examined.statement.previous if examined.statement and examined.problem is None else None
        found.append(examined)
    return found[::-1]


def _examined(checkpoint: Checkpoint, vouched: bool, keys: StatementKeys, secrets: SecretKeys) -> Examined:  # noqa: FBT001
    try:
        read = keys.read(checkpoint.token, TYPE)
        statement = Statement.of(read.claims)
    except UnsignedError:
        return Examined(checkpoint, None, "is not signed by the key that it names")
    stored = (checkpoint.number, checkpoint.seq, in_text(checkpoint.at), in_text(checkpoint.kept_until))
    if stored != (statement.number, statement.seq, in_text(statement.at), in_text(statement.kept_until)):
        return Examined(checkpoint, statement, "says something else than what is stored beside it")
    root = root_of(checkpoint.secret, secrets)
    right = root is not None and hmac.compare_digest(checkpoint.mac, mac_of(checkpoint.token, root, _LABEL))
    if root is not None and not right:
        return Examined(checkpoint, statement, "has a wrong HMAC")
    if right or read.published or vouched:
        return Examined(checkpoint, statement, None)
    return Examined(
        checkpoint, statement, f"was made under the secret {checkpoint.secret}, which is not at hand, by an unknown key"
    )
