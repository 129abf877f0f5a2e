"""The device flow (RFC 8628): a device shows a short code, which its user enters on a page where they are logged in."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from app.accounts.authentication import AAL2
from app.oauth.device_codes.model import Approval, DeviceCode
from app.oauth.parameters import resources_of, scopes_of
from app.oauth.refusal import RefusedError
from app.platform import pieces
from app.platform.errors import SessionEnded, Unavailable
from app.platform.identifiers import digest_of_token
from app.sessions.proof import Proof
from app.sessions.step_up import authentication_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.accounts.account import Account
    from app.accounts.model import Users
    from app.accounts.principal import Principal
    from app.oauth.catalogue.service import Catalogue
    from app.oauth.clients.model import Client
    from app.oauth.consents.service import ConsentService
    from app.oauth.device_codes.model import DeviceCodes
    from app.oauth.registry import ClientRegistry
    from app.platform.clock import Clock
    from app.platform.devices import Device
    from app.security.secret_keys import RootKey, SecretKeys
    from app.sessions.gate import LoginGate
    from app.sessions.live import LiveSessions
    from app.web.parameters import Parameters

USER_CODE_LENGTH: Final = 8
_ALPHABET: Final = "BCDFGHJKLMNPQRSTVWXZ"
"""Of RFC 8628 section 6.1: no vowels, so no words; 8 of these letters are 34 bits."""
_LABEL: Final = "latchkey user code of a device"
_SECRET_BYTES: Final = 32
_ATTEMPTS: Final = 5
_KINDS: Final = frozenset({"public", "confidential"})
"""The kinds of clients that run on devices, of which an administrator has registered each."""


@dataclass(frozen=True, slots=True)
class Begun:
    """What a device is told; the times are in seconds."""

    device_code: str = field(repr=False)
    user_code: str = field(repr=False)
    expires_in: int
    pause: int


@dataclass(frozen=True, slots=True)
class DeviceRequest:
    """What a device asks for, of the user who has entered its code."""

    id: str
    user_code: str
    """As people read it."""
    client: Client
    scopes: tuple[str, ...]
    resources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeviceFlow:
    """Begins it for devices, and lets users answer. `seconds` is how long a code lives."""

    codes: DeviceCodes
    registry: ClientRegistry
    catalogue: Catalogue
    consents: ConsentService
    users: Users
    live: LiveSessions
    gate: LoginGate
    secrets: SecretKeys
    clock: Clock
    audience: str
    """That of our own API."""
    seconds: int

    def begin(self, client: Client, parameters: Parameters) -> Begun:
        """Give a device of this client, which has authenticated itself, its two codes. Raises RefusedError."""
        if client.kind not in _KINDS:
            raise RefusedError("unauthorized_client", "This client has no device_code grant.", "client_kind")
        catalogue = self.catalogue.load()
        resources = resources_of(parameters, client, catalogue, own=self.audience)
        scopes = scopes_of(parameters, client, catalogue, resources)
        expires_at = self.clock() + timedelta(seconds=self.seconds)
        for _ in range(_ATTEMPTS):
            secret, user_code = secrets.token_urlsafe(_SECRET_BYTES), new_user_code()
            kept = _kept(self.secrets.current, user_code)
            code = DeviceCode(digest_of_token(secret), kept, client.id, scopes, resources, expires_at)
            if self.codes.add(code):
                return Begun(secret, shown(user_code), self.seconds, code.pause)
        raise Unavailable

    def find(self, typed: str) -> DeviceRequest | None:
        """What the device with this user code asks for; None if none waits for its user with it."""
        user_code = _read(typed)
        if user_code is None:
            return None
        now = self.clock()
        found = (self.codes.find_by_user_code(_kept(root, user_code), now) for root in self.secrets)
        code = next((each for each in found if each is not None), None)
        client = None if code is None else self.registry.find(code.client_id)
        if code is None or client is None:
            return None
        return DeviceRequest(code.id, shown(user_code), client, code.scopes, code.resources)

    def lacks_factor(self, request: DeviceRequest, visitor: Principal) -> bool:
        """Whether the client demands a second factor, or the account by now, which this login did not prove."""
        if request.client.require_second_factor and not authentication_of(visitor).reaches(AAL2):
            return True
        account = self.users.account(visitor.subject)
        return account is not None and self._lacking(account, visitor) in {"second_factor", "enrol_factor"}

    def has_factor(self, visitor: Principal) -> bool:
        """Whether this user has one."""
        account = self.users.account(visitor.subject)
        return account is not None and bool(account.factors)

    def answer(self, request: DeviceRequest, visitor: Principal, device: Device, *, allowed: bool) -> bool:
        """Approve what a device asks for, or deny it; False if it was answered already, or has expired.

        Raises SessionEnded if the user is no longer logged in, and RefusedError without the factor that the client
        demands.
        """
        if not allowed:
            return self.codes.answer(request.id, None, self.clock())
        if self.lacks_factor(request, visitor):
            raise RefusedError("access_denied", "This client demands a second factor.", "second_factor_missing")
        # The account before its session: what ends sessions after this read leaves an approval of a former epoch.
        account = self.users.account(visitor.subject)
        if account is None or self.live.present(visitor) is None:
            raise SessionEnded
        if (lacking := self._lacking(account, visitor)) is not None:
            told = "Your account cannot be used for this now: log out, and log in again to learn what is missing."
            raise RefusedError("access_denied", told, "login_lacks", lacking)
        proven = authentication_of(visitor)
        approval = Approval(visitor.subject, account.auth_epoch, proven.at, proven.kept)
        if not request.client.first_party:
            # Before the approval, which is worth nothing without it.
            self.consents.allow(visitor, request, device)
        return self.codes.answer(request.id, approval, self.clock())

    def _lacking(self, account: Account, visitor: Principal) -> str | None:
        """What would keep the device from getting a session for its code."""
        return self.gate.lacks(Proof(account.credentials, authentication_of(visitor)))

    def erase(self, user_id: str) -> Iterator[None]:
        """Delete all that a user approved who is deleted, a piece at each step; idempotent."""
        return pieces.in_pieces(lambda limit: self.codes.remove_some_of(user_id, limit))


def new_user_code() -> str:
    """A random user code."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(USER_CODE_LENGTH))


def shown(user_code: str) -> str:
    """A user code as people read it."""
    return f"{user_code[:4]}-{user_code[4:]}"


def _read(typed: str) -> str | None:
    """The user code that somebody typed, in whatever case and with whatever between the letters; None if it cannot be
    one."""
    letters = "".join(letter for letter in typed.upper() if letter.isalnum())
    return letters if len(letters) == USER_CODE_LENGTH and set(letters) <= set(_ALPHABET) else None


def _kept(root: RootKey, user_code: str) -> str:
    """What is kept of a user code: a MAC, since all of them could be tried against a digest."""
    return hmac.new(root.derive(_LABEL), user_code.encode(), sha256).hexdigest()
