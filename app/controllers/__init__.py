"""The endpoints, one function each."""

from __future__ import annotations

from app.controllers import account, auth, dev_mail, docs, health, keys, pages, recovery, sessions, tokens, users

ENDPOINTS = (
    auth.register,
    auth.login,
    account.me,
    account.update_me,
    account.delete_me,
    account.export,
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
    keys.jwks,
    health.health,
    health.auth_health,
    health.live,
    health.ready,
    health.ping,
    docs.index,
    docs.openapi,
    docs.swagger,
    docs.error,
    docs.asset,
)
"""Everything that clients call, in the order of the documentation."""

PAGES = (
    pages.verify_email,
    pages.answer_verification,
    pages.reset_password,
    pages.set_password,
    pages.undo_email,
    pages.take_back,
    pages.brand,
    dev_mail.mails,
)
"""What people open in a browser: served as well, and no part of the OpenAPI document."""
