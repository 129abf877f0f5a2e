"""API keys: what programs present instead of an access token, with fewer permissions than their owner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.accounts.service import Accounts
from app.api_keys import cli, controller
from app.api_keys.authenticator import ApiKeyAuthenticator
from app.api_keys.live import LiveKeys
from app.api_keys.model import ApiKeys
from app.api_keys.service import ApiKeyService, KeyRules
from app.feature import Feature, MailKind, Tag
from app.roles.service import Roles

if TYPE_CHECKING:
    from app.platform.container import Container


def _api_keys(parts: Container) -> ApiKeyService:
    tokens = parts.settings.tokens
    rules = KeyRules(tokens.api_key_days, tokens.api_key_max_days, tokens.api_keys_per_user)
    return ApiKeyService(parts.get(ApiKeys), parts.get(Accounts), parts.get(Roles), rules)


FEATURE = Feature(
    tags=(
        Tag(
            "api-keys",
            "API keys, which programs present instead of an access token.",
            (
                controller.api_keys,
                controller.create,
                controller.delete,
                controller.leaked,
                controller.all_api_keys,
            ),
        ),
    ),
    services={
        LiveKeys: lambda parts: LiveKeys(parts.get(ApiKeys), parts.get(Roles).permissions_of, parts.clock),
        ApiKeyAuthenticator: lambda parts: ApiKeyAuthenticator(parts.get(ApiKeys), parts.get(LiveKeys), parts.clock),
        ApiKeyService: _api_keys,
    },
    authenticators=(ApiKeyAuthenticator,),
    live={"api_key": lambda parts: parts.get(LiveKeys).present},
    repositories=(ApiKeys,),
    erase=lambda parts: parts.get(ApiKeyService).erase,
    exports=(controller.exported,),
    expires=(ApiKeys,),
    mails=(
        MailKind("api_key_created", __name__),
        MailKind("api_key_leaked", __name__),
        MailKind("service_key_leaked", __name__),
    ),
    permissions=frozenset({"api_keys:read"}),
    commands=(cli.api_keys,),
)
