"""The endpoints, one function for each."""

from __future__ import annotations

from app.accounts import controller as account
from app.accounts import controller as users
from app.docs import controller as docs
from app.health import controller as health
from app.keys import controller as keys
from app.mail import controller as dev_mail
from app.metrics import controller as metrics
from app.recovery import controller as recovery
from app.recovery import pages
from app.samples.products import controller as products
from app.samples.visits import controller as visits
from app.sessions import controller as auth
from app.sessions import controller as sessions
from app.sessions import controller as tokens

ENDPOINTS = (
    auth.register,
    auth.login,
    account.me,
    account.update_me,
    account.delete_me,
    account.export_with(sessions.exported, account.exported_events, products.exported),
    account.change_password,
    recovery.forgot,
    recovery.reset,
    recovery.verify_email,
    recovery.resend,
    recovery.disown,
    account.change_email,
    recovery.undo_email,
    account.events,
    sessions.refresh,
    sessions.logout,
    sessions.sessions,
    sessions.end_session,
    tokens.explain,
    tokens.verify,
    users.users,
    products.products,
    products.my,
    products.create,
    products.delete,
    visits.count,
    keys.jwks,
    health.health,
    health.auth_health,
    health.live,
    health.ready,
    health.ping,
    metrics.metrics,
    docs.openapi,
)
"""Everything that clients call, in the order of the documentation."""

PAGES = (
    docs.index,
    docs.swagger,
    docs.error,
    docs.asset,
    pages.verify_email,
    pages.answer_verification,
    pages.reset_password,
    pages.set_password,
    pages.undo_email,
    pages.take_back,
    pages.brand,
    dev_mail.mails,
)
"""What people open in a browser, and what these pages need: served, but not part of the OpenAPI document."""
