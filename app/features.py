"""The features, in the order of the documentation. A new feature is one line here.

In the same order they erase what they hold of a deleted user. What others see of it goes first, before `audit`, whose
events may be many.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app import (
    account_pages,
    accounts,
    administration,
    api_keys,
    audit,
    bootstrap,
    docs,
    factors,
    health,
    invitations,
    jobs,
    keys,
    mail,
    mail_login,
    metrics,
    oauth,
    operations,
    outbox,
    recovery,
    roles,
    service_accounts,
    sessions,
    social,
    throttle,
    transfer,
    webhooks,
)
from app.samples import products, visits

if TYPE_CHECKING:
    from app.web.endpoint import Endpoint

FEATURES = (
    sessions.FEATURE,
    accounts.FEATURE,
    recovery.FEATURE,
    factors.FEATURE,
    mail_login.FEATURE,
    social.FEATURE,
    oauth.FEATURE,
    account_pages.FEATURE,
    api_keys.FEATURE,
    service_accounts.FEATURE,
    administration.FEATURE,
    invitations.FEATURE,
    bootstrap.FEATURE,
    products.FEATURE,
    visits.FEATURE,
    transfer.FEATURE,
    webhooks.FEATURE,
    audit.FEATURE,
    keys.FEATURE,
    roles.FEATURE,
    throttle.FEATURE,
    outbox.FEATURE,
    mail.FEATURE,
    jobs.FEATURE,
    operations.FEATURE,
    health.FEATURE,
    metrics.FEATURE,
    docs.FEATURE,
)

TAGS = {tag.name: tag.description for feature in FEATURES for tag in feature.tags if tag.description}
"""What the documentation says about each tag."""
_EXPORTERS = tuple(exporter for feature in FEATURES for exporter in feature.exports)
ENDPOINTS: tuple[Endpoint, ...] = tuple(declared for feature in FEATURES for declared in feature.endpoints(_EXPORTERS))
"""Everything that clients call, in the order of the documentation."""
PAGES: tuple[Endpoint, ...] = tuple(declared for feature in FEATURES for declared in feature.page_endpoints())
"""What people open in a browser, and what these pages need: served, but not part of the OpenAPI document."""
PROTOCOLS: tuple[Endpoint, ...] = tuple(declared for feature in FEATURES for declared in feature.protocol_endpoints())
"""What other specifications describe, as those of OAuth do: served, but not part of the OpenAPI document."""
PERMISSIONS = frozenset[str]().union(*(feature.permissions for feature in FEATURES))
"""Every permission there is."""
REPOSITORIES = tuple(kind for feature in FEATURES for kind in feature.repositories)
"""The Protocols of all repositories."""
