"""Statements stay verifiable when their key is gone, and nobody passes another token off as one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import jwt
import pytest
from jwt.api_jws import PyJWS

from app.audit.chain.checkpoints import StatementKeys, UnsignedError
from app.keys.service import KeyService
from app.sessions.access_tokens import AccessTokens
from app.sessions.claims import RefusedTokenError

if TYPE_CHECKING:
    from tests.unit.instance import Instance

CLAIMS = {"number": 1, "previous": None}
TYPE = "statement+jws"


def test_a_statement_is_read_as_it_was_signed(instance: Instance) -> None:
    keys = instance.get(StatementKeys)
    read = keys.read(keys.sign(CLAIMS, TYPE), TYPE)
    assert (read.claims, read.published) == (CLAIMS, True)


def test_a_statement_of_a_key_that_is_gone_is_read_but_not_as_published(instance: Instance) -> None:
    keys = instance.get(StatementKeys)
    token = keys.sign(CLAIMS, TYPE)
    instance.get(KeyService).revoke_all()
    instance.get(KeyService)._keyring = None  # noqa: SLF001 - as ten seconds later
    read = keys.read(token, TYPE)
    assert (read.claims, read.published) == (CLAIMS, False)
    head, _, signature = token.split(".")
    forged = PyJWS().encode(json.dumps({"number": 2}).encode(), "k" * 32, algorithm="HS256").split(".")[1]
    with pytest.raises(UnsignedError):
        keys.read(f"{head}.{forged}.{signature}", TYPE)


def test_no_other_token_is_a_statement_and_no_statement_an_access_token(instance: Instance) -> None:
    keys = instance.get(StatementKeys)
    with pytest.raises(UnsignedError):
        keys.read(instance.login_of("ann").access_token, TYPE)
    with pytest.raises(UnsignedError):
        keys.read(keys.sign(CLAIMS, "another"), TYPE)
    for text in ("", "a.b.c", "x"):
        with pytest.raises(UnsignedError):
            keys.read(text, TYPE)
    with pytest.raises(RefusedTokenError):
        instance.get(AccessTokens).verify(keys.sign(CLAIMS, TYPE))


def test_a_key_in_the_header_verifies_by_its_own_algorithm_only(instance: Instance) -> None:
    keys = instance.get(StatementKeys)
    secret = {"kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}
    for algorithm in ("HS384", "HS512"):
        token = PyJWS().encode(
            json.dumps(CLAIMS).encode(),
            "secretsecretsecretsecretsecretsecretsecretsecretsecretsecretsecret",
            algorithm=algorithm,
            headers={"typ": TYPE, "kid": "theirs", "jwk": secret | {"alg": algorithm}},
        )
        with pytest.raises(UnsignedError):
            keys.read(token, TYPE)
    unsigned = jwt.encode(CLAIMS, "", algorithm="none", headers={"typ": TYPE, "kid": "theirs"})
    with pytest.raises(UnsignedError):
        keys.read(unsigned, TYPE)
