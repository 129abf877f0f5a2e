"""What the service has said to its clients, and so what it may say from now on: a promise that it breaks is noted.

A write that was acknowledged has happened. One that was answered 503, or not at all, may have happened, and may happen
later, for example when a frozen database goes on: until something newer is acknowledged, both are allowed.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal

LOST = 0
"""Stands for the status of a request that got no whole reply."""


@dataclass(frozen=True)
class Answer:
    """What came back: the status, or LOST, the JSON of the body, and the seconds that it took."""

    status: int
    body: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def done(self) -> bool:
        """Whether it acknowledges what was asked for."""
        return 200 <= self.status < 300

    @property
    def open(self) -> bool:
        """Whether it leaves open what has happened."""
        return self.status == LOST or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR

    @property
    def code(self) -> str:
        return str(self.body.get("code", self.status))

    @property
    def data(self) -> dict[str, Any]:
        return self.body.get("data") or {}


@dataclass(eq=False)
class Session:
    """A session as its client knows it: `unsure` if it may have ended."""

    access: str
    refresh: str
    state: Literal["live", "unsure", "ended"] = "live"

    def doubt(self) -> None:
        if self.state == "live":
            self.state = "unsure"


@dataclass(eq=False)
class Mailed:
    """A token that resets a password, once."""

    token: str
    spent: bool = False
    unsure: bool = False
    """Whether it may be worthless: an attempt to spend it was left open, or the password was changed meanwhile."""
    over: bool = False
    """Whether it is of no use any more."""


@dataclass(eq=False)
class Account:
    """One account: its own client tells it each answer, in the order of the requests."""

    name: str
    password: str
    """The last password that was acknowledged; "" once it is known that one of `pending` has taken its place."""
    clock_jumps: bool = False
    """Whether an access token may come from a time that is still to come: it is refused until then."""
    exists: bool = False
    may_exist: bool = False
    pending: list[str] = field(default_factory=list)
    """Passwords that may have taken its place, or may yet."""
    former: list[str] = field(default_factory=list)
    """Passwords that are refused for ever."""
    sessions: list[Session] = field(default_factory=list)
    mailed: list[Mailed] = field(default_factory=list)
    waits_for_mail: bool = False
    password_when_asked: str = ""
    """The password when the last mail was asked for; "" if it was not known for certain."""
    done: Counter[str] = field(default_factory=Counter)
    """How often each action was acknowledged, by the name of its audit event."""
    unsure: Counter[str] = field(default_factory=Counter)
    """How often an action was left open."""
    broken: list[str] = field(default_factory=list)
    """The promises that were broken."""

    @property
    def passwords(self) -> list[str]:
        """Those of which one is the present password."""
        return [password for password in (self.password, *self.pending) if password]

    @property
    def present(self) -> list[Session]:
        """The sessions that have not ended for certain."""
        return [session for session in self.sessions if session.state != "ended"]

    def registration(self, answer: Answer) -> None:
        if answer.open:
            self.may_exist = True
            self._left_open("user.registered", "session.opened")
        elif answer.done:
            if self.exists:
                self._break("its name was given away twice")
            self.exists = True
            self.done["user.registered"] += 1
            self._opened(answer)
        elif answer.code in {"username_taken", "email_taken"} and (self.exists or self.may_exist):
            self.exists = True
        else:
            self._break(f"its registration was refused with {answer.code}")

    def login(self, answer: Answer, password: str) -> None:
        if answer.open:
            self._left_open("session.opened")
        elif answer.done:
            if password in self.former:
                self._break("a former password was accepted")
            elif password != self.password:
                self._replace_password(password)
            self._opened(answer)
            if self.pending:
                self.sessions[-1].doubt()  # a change that takes effect later ends it
        elif answer.code != "invalid_credentials":
            self._break(f"a login was refused with {answer.code}")
        elif self.passwords == [password]:
            self._break("its password was lost")
        elif password == self.password:
            self.former.append(password)
            self.password = ""

    def use(self, answer: Answer, session: Session) -> None:
        """`session` was used, by its access token or a refresh."""
        if answer.open or self.needs_refresh(answer):
            return
        if answer.done:
            if session.state == "ended":
                self._break("a session that had ended was used")
        elif answer.status == HTTPStatus.UNAUTHORIZED:
            if session.state == "live":
                self._break(f"a session was lost ({answer.code})")
            session.state = "ended"
        else:
            self._break(f"the use of a session was refused with {answer.code}")

    def needs_refresh(self, answer: Answer) -> bool:
        """Whether the access token is of no use now, which says nothing of its session."""
        return answer.code == "expired_token" or (answer.code == "invalid_token" and self.clock_jumps)

    def refresh(self, answers: Sequence[Answer], session: Session) -> None:
        """Its refresh token was exchanged, perhaps several times at once: all have to give the same new one."""
        for answer in answers:
            self.use(answer, session)
        given = [answer.data for answer in answers if answer.done]
        if len({tokens["refresh_token"] for tokens in given}) > 1:
            self._break("a refresh token was spent twice")
        for tokens in given:
            session.access, session.refresh = tokens["access_token"], tokens["refresh_token"]

    def logout(self, answer: Answer, session: Session) -> None:
        if answer.open:
            session.doubt()
            self._left_open("session.ended")
            return
        self.use(answer, session)
        if answer.done:
            session.state = "ended"
            self.done["session.ended"] += 1

    def password_change(self, answer: Answer, session: Session, new: str) -> None:
        if answer.open:
            self._left_open("password.changed")
            self._doubt_all(new, but=session)
        elif answer.done:
            self._acknowledged(new, "password.changed", keep=session)
        elif answer.code == "wrong_password" and self.pending:
            pass  # one of the others has taken its place
        else:
            self.use(answer, session)

    def asked_for_mail(self, answer: Answer) -> None:
        """A mail with a token was asked for."""
        if not answer.done:
            self.unsure["mail"] += answer.open  # it may come nevertheless, before the one that is asked for next
            return
        self.waits_for_mail = True
        self.password_when_asked = "" if self.pending else self.password

    def arrived(self, token: str) -> None:
        """The mail with this token came. A change of the password since it was asked for makes it worthless."""
        self.waits_for_mail = False
        changed = bool(self.pending or self.unsure["mail"]) or self.password != self.password_when_asked
        self.mailed.append(Mailed(token, unsure=changed))

    def reset(self, answers: Sequence[tuple[Answer, str]], mailed: Mailed) -> None:
        """Its mailed token was redeemed, perhaps several times at once, each time with another password."""
        won = [new for answer, new in answers if answer.done]
        for answer, new in answers:
            if answer.open:
                mailed.unsure = True
                self._left_open("password.reset")
                self._doubt_all(new)
        if len(won) + mailed.spent > 1:
            self._break("a mailed token was spent twice")
        if not won and not mailed.unsure and not self.pending:
            self._break("a mailed token was refused")
        mailed.over = bool(won) or not any(answer.open for answer, _ in answers)
        for new in won:
            mailed.spent = True
            self._acknowledged(new, "password.reset")

    def events(self, found: Counter[str]) -> None:
        """Compare the events that the service has of the account with what it acknowledged."""
        for action in ("user.registered", "session.opened", "session.ended", "password.changed", "password.reset"):
            least, most = self.done[action], self.done[action] + self.unsure[action]
            if action == "password.reset":
                most = min(most, len(self.mailed))
            if not least <= found[action] <= most:
                self._break(f"{found[action]} events {action} instead of {least} to {most}")

    def _opened(self, answer: Answer) -> None:
        self.done["session.opened"] += 1
        self.sessions.append(Session(answer.data["access_token"], answer.data["refresh_token"]))

    def _acknowledged(self, new: str, action: str, keep: Session | None = None) -> None:
        self.done[action] += 1
        self._replace_password(new)
        for session in self.sessions:
            if session is not keep:
                session.state = "ended"

    def _replace_password(self, new: str) -> None:
        """No earlier write can take effect any more: each names the version of the account that it changes."""
        self.former += [old for old in self.passwords if old != new]
        self.password, self.pending = new, []

    def _doubt_all(self, new: str, but: Session | None = None) -> None:
        self.pending.append(new)
        for session in self.sessions:
            if session is not but:
                session.doubt()

    def _left_open(self, *actions: str) -> None:
        self.unsure.update(actions)

    def _break(self, promise: str) -> None:
        self.broken.append(f"{self.name}: {promise}")
