"""Writes users with their password hashes, so that this service or another one can take them."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from app.factors.imported import opened
from app.platform import pieces
from app.security.foreign_hashes import from_base64
from app.transfer.formats.generic import NATIVE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from app.accounts.account import Account
    from app.accounts.model import Users
    from app.factors.totp import TotpVault
    from app.security.secret_keys import SecretKeys

ExportFormat = Literal["jsonl", "keycloak", "supabase"]

_FORM: Final = 1
_ARGON2: Final = re.compile(
    r"\$argon2(?P<type>id|i|d)\$v=(?P<version>16|19)\$m=(?P<memory>\d+),t=(?P<passes>\d+),p=(?P<lanes>\d+)"
    r"\$(?P<salt>[^$]+)\$(?P<hash>[^$]+)"
)
_PBKDF2: Final = re.compile(
    r"\$pbkdf2-(?P<digest>sha1|sha256|sha512)\$i=(?P<rounds>\d+),l=\d+\$(?P<salt>[^$]+)\$(?P<hash>[^$]+)"
)
_OF_SUPABASE: Final = re.compile(r"\$2[aby]\$.+|\$argon2(?:id|i)\$.+|\$fbscrypt\$.+")
_ARGON2_VERSIONS: Final = {"16": "1.0", "19": "1.3"}
_PROVIDER: Final = {"sha1": "pbkdf2", "sha256": "pbkdf2-sha256", "sha512": "pbkdf2-sha512"}


@dataclass(slots=True)
class Tally:
    """What an export has written so far."""

    exported: int = 0
    without_hash: int = 0
    """Users whose password does not come along, since the other system cannot check their hash."""
    left_out: int = 0
    """Users that the other system cannot have, since they have no address."""


@dataclass(frozen=True, slots=True)
class ExportService:
    """Exports all users but deleted ones, in the order of their identifiers."""

    users: Users
    secrets: SecretKeys
    vault: TotpVault

    def lines(self, format_: ExportFormat, tally: Tally, *, with_secrets: bool = False) -> Iterator[str]:
        """The lines of the export, which `tally` counts meanwhile. Raises Unavailable, and SealedError.

        `with_secrets`: with the secrets of authenticator apps, open.
        """
        if format_ == "keycloak":
            yield from _of_keycloak(self._accounts(), tally)
            return
        for account in self._accounts():
            if format_ == "supabase":
                line = _of_supabase(account, tally)
            else:
                line = self._native(account, with_secrets=with_secrets)
            if line is None:
                tally.left_out += 1
                continue
            tally.exported += 1
            yield _json(line)

    def _accounts(self) -> Iterator[Account]:
        after: str | None = None
        while page := self.users.page_of_accounts(after=after, limit=pieces.EXPORTED_AT_ONCE):
            yield from page
            after = page[-1].user.id

    def _native(self, account: Account, *, with_secrets: bool) -> dict[str, Any]:
        user, imported = account.user, account.imported
        line: dict[str, Any] = {
            NATIVE: _FORM,
            "id": user.id,
            "email": user.email,
            "email_verified": user.email_verified,
            "username": user.username,
            "name": user.name,
            "roles": list(user.roles),
            "status": user.status,
            "created_at": _moment(user.created_at),
            "last_login_at": user.last_login_at and _moment(user.last_login_at),
            "password_hash": account.password_hash,
        }
        if imported:
            identities = [asdict(each) for each in imported.identities]
            line["imported"] = {"id": imported.id, "source": imported.source, "identities": identities}
        if with_secrets:
            line["totp"] = self._secrets_of(account) or None
        return {name: found for name, found in line.items() if found is not None}

    def _secrets_of(self, account: Account) -> list[dict[str, Any]]:
        """The secrets of the user's authenticator apps, also of those that a former version imported. Raises
        SealedError."""
        former = opened(account, self.secrets)
        present = [self.vault.parameters_of(each.id) for each in account.totp if each.is_confirmed]
        return [asdict(each) for each in (*former, *present) if each is not None]


def _of_supabase(account: Account, tally: Tally) -> dict[str, Any] | None:
    """What supabase/auth's `POST /admin/users` takes; None if it cannot have the user."""
    user, stored = account.user, account.password_hash or ""
    if user.email is None:
        return None
    line: dict[str, Any] = {"id": user.id, "email": user.email, "email_confirm": user.email_verified}
    if _OF_SUPABASE.fullmatch(stored):
        line["password_hash"] = stored
    else:
        tally.without_hash += bool(stored)
    if about := {name: found for name, found in (("username", user.username), ("name", user.name)) if found}:
        line["user_metadata"] = about
    return line if user.status == "active" else line | {"ban_duration": "876000h"}


def _of_keycloak(accounts: Iterator[Account], tally: Tally) -> Iterator[str]:
    """What Keycloak's partial import takes: one document, with a user in each line."""
    yield '{"ifResourceExists": "SKIP", "users": ['
    separator = ""
    for account in accounts:
        yield separator + _json(_keycloak_user(account, tally))
        tally.exported += 1
        separator = ", "
    yield "]}"


def _keycloak_user(account: Account, tally: Tally) -> dict[str, Any]:
    user = account.user
    credential = _keycloak_credential(account.password_hash or "")
    if credential is None:
        tally.without_hash += bool(account.password_hash)
    line: dict[str, Any] = {
        "id": user.id,
        "username": user.username or user.email or user.id,
        "email": user.email,
        "emailVerified": user.email_verified,
        "enabled": user.status == "active",
        "createdTimestamp": int(user.created_at.timestamp() * 1000),
        "firstName": user.name,
        "credentials": [credential] if credential else [],
        "requiredActions": [] if credential else ["UPDATE_PASSWORD"],
    }
    return {name: found for name, found in line.items() if found is not None}


def _keycloak_credential(stored: str) -> dict[str, str] | None:
    """The password of a user; None if Keycloak has no such scheme: it checks Argon2 and PBKDF2."""
    if found := _ARGON2.fullmatch(stored):
        made: dict[str, Any] = {
            "hashIterations": int(found["passes"]),
            "algorithm": "argon2",
            "additionalParameters": {
                "hashLength": [str(len(from_base64(found["hash"])))],
                "memory": [found["memory"]],
                "type": [found["type"]],
                "version": [_ARGON2_VERSIONS[found["version"]]],
                "parallelism": [found["lanes"]],
            },
        }
    elif found := _PBKDF2.fullmatch(stored):
        made = {
            "hashIterations": int(found["rounds"]),
            "algorithm": _PROVIDER[found["digest"]],
            "additionalParameters": {},
        }
    else:
        return None
    kept = {"value": _padded(found["hash"]), "salt": _padded(found["salt"]), "additionalParameters": {}}
    return {"type": "password", "secretData": _json(kept), "credentialData": _json(made)}


def _padded(text: str) -> str:
    return base64.b64encode(from_base64(text)).decode()


def _json(content: object) -> str:
    return json.dumps(content, ensure_ascii=False)


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
