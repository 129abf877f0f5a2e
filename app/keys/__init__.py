"""The keys that sign access tokens: making, publishing, rotating and revoking them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from app.audit.chain.checkpoints import StatementKeys
from app.feature import Feature, Job, Resealers, Sealed, Tag
from app.keys import cli, controller
from app.keys.model import Keyrings
from app.keys.service import LEEWAY, KeyService
from app.keys.statements import Statements
from app.security.secret_keys import SecretKeys

if TYPE_CHECKING:
    from app.platform.container import Container


def _keys(parts: Container) -> KeyService:
    tokens, secrets = parts.settings.tokens, parts.get(SecretKeys)
    life = timedelta(seconds=tokens.access_token_seconds) + LEEWAY
    keys = KeyService(parts.get(Keyrings), secrets, tokens.jwt_algorithm, parts.clock, token_life=life)
    secrets.follow(keys.follow)
    return keys


def _tend(parts: Container) -> int:
    """Look after the keys, and after all else that SECRET_KEY seals."""
    return parts.get(KeyService).tend() + sum(reseal() for reseal in parts.get(Resealers).resealers)


FEATURE = Feature(
    tags=(Tag("keys", "The keys that verify access tokens.", (controller.jwks,)),),
    services={KeyService: _keys, StatementKeys: lambda parts: Statements(parts.get(KeyService))},
    repositories=(Keyrings,),
    sealed=lambda parts: Sealed("keys", lambda: [key.wrapped_by for key in parts.get(KeyService).stored()]),
    jobs=(lambda parts: Job("keys", timedelta(hours=1), lambda: _tend(parts)),),
    permissions=frozenset({"keys:write"}),
    commands=(cli.keys,),
)
