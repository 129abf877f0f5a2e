"""A caller of another kind than users in their sessions, and its tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.platform.errors import ExpiredToken, Forbidden

if TYPE_CHECKING:
    from app.accounts.principal import Principal
    from app.web.caller import CallerKind


@dataclass(frozen=True)
class Robot:
    """A caller without a user and without a session."""

    subject: str = "robot-7"
    counted_as: str = "key-7"
    permissions: frozenset[str] = frozenset()
    kind: CallerKind = "session"


class KeyService:
    """Another kind of token: what begins with `mark`. It tells what is asked of it."""

    def __init__(self, mark: str, robot: Robot | None = None) -> None:
        self.mark, self.robot = mark, robot
        self.asked: list[str] = []

    def recognises(self, token: str) -> bool:
        return token.startswith(self.mark)

    def authenticate(self, token: str) -> Robot:
        self.asked.append(f"authenticate {token}")
        if self.robot is None:
            raise ExpiredToken
        return self.robot

    def use_is_due(self, caller: Robot) -> bool:
        return caller is self.robot

    def note_use(self, caller: Robot) -> None:
        self.asked.append(f"note_use {caller.subject}")

    def require_fresh_login(self, caller: Robot) -> None:
        raise Forbidden(f"{caller.subject} never logs in.")


class OfOneKind:
    """Takes any token for that of one principal, of whatever kind."""

    def __init__(self, principal: Principal) -> None:
        self.principal = principal

    def recognises(self, _token: str) -> bool:
        return True

    def authenticate(self, _token: str) -> Principal:
        return self.principal

    def use_is_due(self, _caller: Principal) -> bool:
        return False

    def note_use(self, caller: Principal) -> None:
        raise AssertionError(caller)

    def require_fresh_login(self, caller: Principal) -> None:
        if caller.kind != "session":
            raise Forbidden
