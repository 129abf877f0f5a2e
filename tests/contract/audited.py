"""An audit log over a store, with a clock of its own."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.accounts.account import Account
from app.audit.chain.model import Checkpoint, Link
from app.audit.chain.sealing import Sealing
from app.audit.chain.verification import Finding, Report, Verification
from app.audit.model import AuditEvent
from app.audit.service import Audit
from app.audit.signatures import Signer
from app.keys.service import KeyService
from app.keys.statements import Statements
from app.platform.devices import Device
from app.security.secret_keys import SecretKeys
from tests.contract.entities import DAY, HASH, MINUTE, NOW, a_user
from tests.stores import Store

SECRET = "kX9vQ2mZ7tR4wL8pN3yB6hJ1sD5fG0aC-uE_iO"
NEW_SECRET = "wP4nT8xK2mV6rB9sJ3hL7gD1fQ5zC0aE-yU_oI"
DEVICE = Device("2001:db8::1", "curl/8.5.0")


@dataclass
class AuditLog:
    """What records, seals and verifies events; `user` is someone of whom there are some."""

    store: Store
    secret: str = SECRET
    fallbacks: tuple[str, ...] = ()
    now: datetime = NOW
    user: str = ""
    report: Report = field(default_factory=Report)

    def __post_init__(self) -> None:
        secrets = SecretKeys(self.secret, self.fallbacks)
        self.keys = KeyService(self.store.keyrings, secrets, "ES256", self.clock, token_life=timedelta(hours=1))
        self.keys.ensure()
        statements = Statements(self.keys)
        self.audit = Audit(self.store.events, self.clock, 365 * DAY, Signer(secrets))
        self.sealing = Sealing(self.store.links, self.store.checkpoints, self.audit.signer, statements, self.clock)
        self.verification = Verification(self.store.links, self.store.checkpoints, secrets, statements, self.clock)
        if not self.user:
            self.user = self.new_user()

    def clock(self) -> datetime:
        return self.now

    def new_user(self) -> str:
        user = a_user()
        self.store.users.add(Account(user, HASH))
        return user.id

    def delete_user(self, user_id: str) -> None:
        account = self.store.users.account(user_id)
        assert account is not None
        gone = account.deleted(roles=(), claimed_until=self.now, now=self.now)
        assert self.store.users.save(gone, [self.audit.event(user_id, "user.deleted")])
        for _ in self.audit.erase(user_id):
            pass

    def record(self, number: int = 1, user_id: str | None = None, **details: str) -> list[AuditEvent]:
        """Record this many events, one a second; the store can seal them afterwards."""
        events = []
        for _ in range(number):
            event = self.audit.event(user_id or self.user, "session.opened", DEVICE, **details)
            self.store.events.add(event)
            events.append(event)
            self.now += timedelta(seconds=1)
        return events

    def seal(self) -> int:
        """Seal what there is, a little later."""
        self.now += 2 * MINUTE
        return self.sealing.run()

    def recorded(self, number: int = 1) -> list[AuditEvent]:
        """Events that are recorded and sealed, in the order of the chain."""
        events = self.record(number)
        assert self.seal() == number
        return events

    def links(self) -> list[Link]:
        return self.store.links.page(after=0, limit=10_000)

    def findings(self, *, since: datetime | None = None, kept: Sequence[Checkpoint] = ()) -> list[Finding]:
        """What the verification finds, without sealing first."""
        self.report = Report()
        return list(self.verification.run(self.report, since=since, kept=kept))

    def kinds(self, *, since: datetime | None = None, kept: Sequence[Checkpoint] = ()) -> set[str]:
        return {finding.kind for finding in self.findings(since=since, kept=kept)}
