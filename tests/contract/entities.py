"""Entities to keep, whole unless a test says otherwise."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from app.accounts.account import Account
from app.accounts.factors import FactorRecovery, ListedPasskey, ListedTotp, RecoveryCode
from app.accounts.imported import Imported, LinkedIdentity
from app.accounts.model import User
from app.accounts.notices import Notice
from app.accounts.under_way import Impersonation, ListedIdentity, ListedKey, LiveCode, PendingEmail, UndoOffer
from app.api_keys.model import ApiKey
from app.audit.chain.model import Link
from app.audit.model import AuditEvent
from app.factors.ceremonies.model import Ceremony
from app.factors.passkeys.model import Passkey
from app.factors.totp_secrets.model import TotpSecret
from app.keys.model import StoredKey, StoredKeyring
from app.mail_login.model import MailLogin
from app.oauth.client_documents.model import ClientDocument, id_of
from app.oauth.codes.model import Code
from app.oauth.consents.model import Consent
from app.oauth.device_codes.model import DeviceCode
from app.oauth.logout_notices.model import LogoutNotice
from app.oauth.requests.model import StoredRequest
from app.outbox.model import Entry
from app.platform.identifiers import new_id
from app.sessions.model import Session
from app.sessions.pending_logins.model import PendingLogin
from app.throttle.model import FailureCount

NOW = datetime(2026, 3, 29, 1, 59, 59, 999000, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
HASH = "$2b$12$" + "a" * 53


def a_user(**fields: Any) -> User:
    """An active user with neither e-mail nor user name."""
    plain: dict[str, Any] = {
        "id": new_id(),
        "email": None,
        "email_verified": False,
        "username": None,
        "name": None,
        "roles": ("member",),
        "status": "active",
        "created_at": NOW,
    }
    return User(**plain | fields)


def a_whole_account(**fields: Any) -> Account:
    """An account of which no list is empty, and little else; `fields` are those of its user."""
    named: dict[str, Any] = {
        "email": "Ada.Lovelace@Example.ORG",
        "email_verified": True,
        "username": "Ada_L",
        "name": "Ada Lovelace 🧮, Gräfin",
        "roles": ("admin", "member"),
        "last_login_at": NOW + MINUTE,
    }
    return Account(
        a_user(**named | fields),
        HASH,
        auth_epoch=3,
        kept_session=new_id(),
        codes=(LiveCode(new_id(), "verify", NOW + DAY), LiveCode(new_id(), "reset", NOW + MINUTE)),
        pending_email=PendingEmail(new_id(), "Ada@Bücher.example", NOW + DAY),
        undo_offers=tuple(UndoOffer(new_id(), f"ada.{number}@example.net", NOW + 7 * DAY) for number in range(2)),
        outbox=(
            Notice(
                new_id(), "email_changed", "ada.1@example.net", NOW, {"name": "Gräfin 🧮\n", "": ""}, new_id(), 2
            ).entry(NOW + DAY),
            Notice(new_id(), "new_login", "ada@example.org", NOW + MINUTE).entry(),
            Entry(new_id(), "of a newer version", {"to": ["Gräfin", 1, {"a": True}]}, NOW),
        ),
        listed_keys=(ListedKey(new_id(), NOW + DAY), ListedKey(new_id(), NOW)),
        impersonations=(an_impersonation(reason="Gräfin 🧮", actor_demotions=2, roles_version=7),),
        demotions=3,
        totp=(ListedTotp(new_id(), NOW), ListedTotp(new_id(), NOW, NOW + 10 * MINUTE)),
        recovery_codes=(
            RecoveryCode(new_id(), 0, "salt", "digest"),
            RecoveryCode(new_id(), 1, "salt", "digest", NOW + MINUTE),
        ),
        passkeys=(ListedPasskey(new_id(), "Gräfin 🧮"), ListedPasskey(new_id(), "Passkey")),
        user_handle=secrets.token_urlsafe(32),
        identities=(ListedIdentity(new_id(), "google"),),
        imported=Imported("7", "auth0", (LinkedIdentity("google", "Gräfin"),)),
        attack_told_at=NOW,
        breach_told_in=3,
        factor_recovery=FactorRecovery(new_id(), "Gräfin@example.com", 7, NOW, NOW + DAY, NOW + MINUTE),
        due_at=NOW + MINUTE,
        revision=5,
    )


def an_impersonation(**fields: Any) -> Impersonation:
    """An impersonation in a user's first epoch, begun at NOW."""
    begun: dict[str, Any] = {
        "id": new_id(),
        "actor_id": new_id(),
        "actor_session_id": new_id(),
        "reason": "Ticket 4711",
        "began_at": NOW,
        "expires_at": NOW + 15 * MINUTE,
        "auth_epoch": 0,
    }
    return Impersonation(**begun | fields)


def a_device_code(**fields: Any) -> DeviceCode:
    """A code that waits for its user, and lives for a minute."""
    plain: dict[str, Any] = {
        "id": secrets.token_hex(32),
        "user_code": secrets.token_hex(32),
        "client_id": new_id(),
        "scopes": ("openid", "offline_access"),
        "resources": ("https://r/",),
        "expires_at": NOW + MINUTE,
    }
    return DeviceCode(**plain | fields)


def a_link(seq: int, **fields: Any) -> Link:
    """A link of an event that expires in a day."""
    plain: dict[str, Any] = {
        "seq": seq,
        "event_id": new_id(),
        "sealed_at": NOW,
        "expires_at": NOW + DAY,
        "verdict": "signed",
        "content": "c" * 43,
        "hash": f"{seq:043}",
        "secret": "0123456789abcdef",
        "mac": "m" * 43,
    }
    return Link(**plain | fields)


def a_pending_login(user: User, **fields: Any) -> PendingLogin:
    """A login of the user's first epoch that began at NOW, with another token than any other."""
    plain: dict[str, Any] = {
        "id": secrets.token_hex(32),
        "user_id": user.id,
        "auth_epoch": 0,
        "amr": "pwd",
        "proven_at": NOW,
        "opens": "login",
        "expires_at": NOW + 10 * MINUTE,
    }
    return PendingLogin(**plain | fields)


def a_mail_login(**fields: Any) -> MailLogin:
    """A login that was asked for at NOW, and that no worker has taken up."""
    plain: dict[str, Any] = {
        "id": str(uuid4()),
        "email": "Ada@Bücher.example",
        "ip": "2001:db8::1",
        "device": "Firefox on Linux",
        "created_at": NOW,
        "expires_at": NOW + 10 * MINUTE,
        "due_at": NOW,
    }
    return MailLogin(**plain | fields)


def a_totp_secret(user: User, **fields: Any) -> TotpSecret:
    """A secret of the user's that was never used, sealed under the SECRET_KEY `a`."""
    plain: dict[str, Any] = {"id": new_id(), "user_id": user.id, "wrapped_by": "a", "sealed": secrets.token_hex(32)}
    return TotpSecret(**plain | fields)


def a_passkey(user: User, **fields: Any) -> Passkey:
    """A passkey of the user's that was never used, and does not count, with another credential than any other."""
    plain: dict[str, Any] = {
        "id": new_id(),
        "user_id": user.id,
        "credential_id": secrets.token_urlsafe(32),
        "credential_digest": secrets.token_hex(32),
        "public_key": "pQECAyYgASFYIP",
        "rp_id": "auth.example.com",
        "aaguid": "00000000-0000-0000-0000-000000000000",
        "transports": ("internal", "hybrid"),
        "backup_eligible": False,
        "backed_up": False,
        "sign_count": 0,
        "created_at": NOW,
    }
    return Passkey(**plain | fields)


def a_ceremony(**fields: Any) -> Ceremony:
    """A login that was begun at NOW."""
    challenge = secrets.token_urlsafe(32)
    plain: dict[str, Any] = {"id": secrets.token_hex(32), "purpose": "login", "challenge": challenge}
    return Ceremony(**plain | {"expires_at": NOW + 5 * MINUTE} | fields)


def a_session(user: User, **fields: Any) -> Session:
    """A session of the user's first epoch, opened at NOW for 90 days, 30 of them idle."""
    opened: dict[str, Any] = {
        "id": new_id(),
        "user_id": user.id,
        "auth_epoch": 0,
        "seed": bytes(range(32)),
        "generation": 0,
        "created_at": NOW,
        "last_used_at": NOW,
        "idle_expires_at": NOW + 30 * DAY,
        "expires_at": NOW + 90 * DAY,
        "ip": "2001:db8::1",
        "user_agent": "curl/8.5.0",
    }
    return Session(**opened | fields)


def a_consent(user: User, **fields: Any) -> Consent:
    """What the user lets a client have, given at NOW."""
    given: dict[str, Any] = {
        "id": new_id(),
        "user_id": user.id,
        "client_id": "https://client.example/metadata.json",
        "client_name": "Files",
        "scopes": ("openid", "email"),
        "resources": ("https://files.example/",),
        "created_at": NOW,
        "last_used_at": NOW,
    }
    return Consent(**given | fields)


def a_logout_notice(**fields: Any) -> LogoutNotice:
    """That a session ended, due at NOW."""
    made: dict[str, Any] = {
        "id": new_id(),
        "user_id": new_id(),
        "client_id": new_id(),
        "attempts": 0,
        "due_at": NOW,
        "expires_at": NOW + DAY,
    }
    return LogoutNotice(**made | fields)


def an_api_key(user: User, **fields: Any) -> ApiKey:
    """A key of the user, made at NOW for 90 days, which was never used."""
    made: dict[str, Any] = {
        "id": new_id(),
        "user_id": user.id,
        "digest": bytes(range(32)),
        "name": "Nightly backup, é 🧮",
        "permissions": ("audit:read", "users:read"),
        "created_at": NOW,
        "expires_at": NOW + 90 * DAY,
    }
    return ApiKey(**made | fields)


def an_event(user_id: str, action: str = "password.changed") -> AuditEvent:
    """An event that says where the user was."""
    return AuditEvent(new_id(), user_id, action, NOW, "2001:db8::1", "curl/8.5.0", NOW + DAY, {"by": "user"})


def a_count(count: int, *, expires_at: datetime = NOW + DAY) -> FailureCount:
    return FailureCount(count, NOW + MINUTE, expires_at)


def a_keyring(version: int, *kids: str) -> StoredKeyring:
    return StoredKeyring(
        version, tuple(StoredKey(kid, "ES256", NOW, NOW + MINUTE, "wrapping", "sealed " * 200) for kid in kids)
    )


CLIENT = "https://client.example/metadata.json"


def a_code(user: User, **fields: Any) -> Code:
    plain: dict[str, Any] = {
        "id": secrets.token_hex(32),
        "user_id": user.id,
        "auth_epoch": 0,
        "client_id": CLIENT,
        "redirect_uri": "https://a.example/cb",
        "scopes": ("openid", "email"),
        "resources": ("https://r/",),
        "challenge": "c" * 43,
        "authenticated_at": NOW,
        "amr": "pwd otp mfa",
        "created_at": NOW,
        "expires_at": NOW + MINUTE,
    }
    return Code(**plain | fields)


def a_client_document(**fields: Any) -> ClientDocument:
    url = f"https://client.example/{secrets.token_hex(8)}"
    plain: dict[str, Any] = {
        "id": id_of(url),
        "url": url,
        "document": '{"client_id": "\\u00e9", "$a.b": "é"}',
        "fetched_at": NOW,
        "expires_at": NOW + MINUTE,
    }
    return ClientDocument(**plain | fields)


def a_stored_request(**fields: Any) -> StoredRequest:
    plain: dict[str, Any] = {
        "id": secrets.token_hex(32),
        "client_id": CLIENT,
        "parameters": {"client_id": (CLIENT,), "resource": ("https://a", "https://b"), "state": ("é$.",)},
        "created_at": NOW,
        "expires_at": NOW + MINUTE,
    }
    return StoredRequest(**plain | fields)
