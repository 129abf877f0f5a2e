"""What every store promises of users who are imported: each once, whole or not at all, and back again."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from app.accounts.credentials import CredentialService
from app.accounts.deletion import DeletionService
from app.accounts.imported import LinkedIdentity
from app.accounts.login_name import LoginName
from app.accounts.registration import NewAccount, RegistrationService
from app.audit.service import Audit
from app.factors.totp import TotpParameters, TotpVault
from app.keys.service import KeyService
from app.outbox.service import Outbox
from app.platform.errors import Failure, InvalidCode, RoleInUse, SecondFactorRequired, TooManyRequests, Unavailable
from app.roles.editing import RoleEditor
from app.roles.model import Role
from app.roles.service import Roles
from app.security.passwords import PasswordHasher
from app.sessions.gate import LoginGate
from app.sessions.login import LoginService
from app.sessions.proof import Evidence
from app.throttle.service import FREE, PasswordThrottle
from app.transfer.batches import import_all
from app.transfer.exporting import ExportService, Tally
from app.transfer.formats import FORMATS, reader
from app.transfer.importing import ImportRules, ImportService
from app.transfer.incoming import FastDigest, Incoming, RefusedError, Totp
from app.transfer.records import json_lines
from tests.api.service import PASSWORD, SETTINGS
from tests.contract.test_account_pairs import HERE, Ann
from tests.unit.instance import session_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.accounts.account import Account
    from app.wiring import Wired
    from tests.contract.races import InThreads
    from tests.contract.subject import Start, Subject
    from tests.stores import Store

RULES = ImportRules("django")
HASH = PasswordHasher("bcrypt", 4).hash(PASSWORD)
TOTP = Totp("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", "SHA256", 8, 60)
DJANGO = "pbkdf2_sha256$1000$seasalt$3xmXbyk2QpiyNcnoBbzRPwEBsYPTbDlRdtmLyBvQltA="
"""Of PASSWORD, by Django."""
_NUMBERS = count(1)


@pytest.fixture
def wired(start: Start) -> Wired:
    return start(RATE_LIMITS="on")


def a_user(**fields: Any) -> Incoming:
    number = next(_NUMBERS)
    named: dict[str, Any] = {
        "id": f"{number}", "email": f"ann{number}@example.org", "email_verified": True, "username": f"ann{number}",
        "name": "Ann", "hash": HASH, "created_at": datetime(2023, 2, 1, 10, tzinfo=UTC),
        "identities": (LinkedIdentity("google", "117"),), "totp": (TOTP,),
    }  # fmt: skip
    return Incoming(**named | fields)


def outcome(wired: Wired, incoming: Incoming, rules: ImportRules = RULES) -> str:
    try:
        return wired.get(ImportService).add(incoming, rules)
    except RefusedError as refused:
        return refused.reason


def an_administrator(wired: Wired) -> str:
    """The identifier of a new administrator."""
    return wired.get(RegistrationService).register(NewAccount(PASSWORD, username="boss"), roles=("admin",)).user.id


def accounts(store: Store) -> list[Account]:
    return store.users.page_of_accounts(after=None, limit=1000)


def test_an_imported_user_is_whole_with_one_event_and_the_old_password_works_and_is_upgraded(
    wired: Wired, store: Store
) -> None:
    user = a_user(hash=DJANGO)
    assert outcome(wired, user) == "imported"

    (account,) = accounts(store)
    found = account.user
    assert (found.email, found.email_verified, found.username) == (user.email, True, user.username)
    assert (found.roles, found.status, found.created_at) == (("member",), "active", user.created_at)
    assert account.imported is not None
    assert (account.imported.id, account.imported.source) == (user.id, "django")
    assert account.imported.identities == user.identities
    assert account.password_hash == DJANGO
    (event,) = wired.get(Audit).events_of(found.id, before=None, limit=9).events
    assert (event.action, event.details, event.ip) == ("user.created", {"by": "import"}, None)

    assert wired.get(CredentialService).confirm(found.id, PASSWORD)
    (account,) = accounts(store)
    assert (account.password_hash or "").startswith("$2b$04$")


def test_a_second_run_changes_nothing_also_when_names_and_password_have_changed_since(
    wired: Wired, store: Store
) -> None:
    user = a_user()
    assert outcome(wired, user) == "imported"
    (account,) = accounts(store)
    user_now = replace(account.user, email="new@example.org", username=None)
    assert store.users.save(replace(account, password_hash="changed", user=user_now))
    before = accounts(store)

    assert outcome(wired, user) == "skipped"
    assert outcome(wired, replace(user, email="third@example.org", hash=None)) == "skipped"
    assert accounts(store) == before


def test_a_user_without_an_identifier_is_known_by_the_address(wired: Wired) -> None:
    user = a_user(id=None)

    assert [outcome(wired, user), outcome(wired, user)] == ["imported", "skipped"]


def test_a_uuid_stays_the_identifier_of_a_user_and_any_other_tells_nothing(wired: Wired, store: Store) -> None:
    kept = "9A7F7D0E-0C3C-4A57-9A39-0D8A7B6B9A11"
    assert outcome(wired, a_user(id=kept)) == "imported"
    assert outcome(wired, a_user(id="7")) == "imported"
    assert outcome(wired, a_user(id="7"), ImportRules("another")) == "imported"

    ids = {account.user.id for account in accounts(store)}
    assert kept.lower() in ids
    assert len(ids) == 3


def test_an_import_knows_its_users_after_a_rotation_of_the_secret(start: Start) -> None:
    user, former = a_user(), SETTINGS["SECRET_KEY"]
    assert outcome(start(), user) == "imported"

    rotated = start(SECRET_KEY="N7xQ2mZ7tR4wL8pN3yB6hJ1sD5fG0aC-uE_iO", SECRET_KEY_FALLBACKS=former)
    assert outcome(rotated, user) == "skipped"


def test_an_address_or_a_user_name_of_another_user_is_taken_and_no_account_is_merged(
    wired: Wired, store: Store
) -> None:
    wired.get(RegistrationService).register(NewAccount(PASSWORD, "bob@example.org", "bob"))
    before = accounts(store)

    for rules in (RULES, replace(RULES, dry_run=True)):
        assert outcome(wired, a_user(email="BOB@example.org"), rules) == "email_taken"
        assert outcome(wired, a_user(username="Bob"), rules) == "username_taken"
    assert accounts(store) == before


def test_an_address_that_a_user_may_still_take_back_is_taken(wired: Wired, store: Store) -> None:
    ann = Ann(wired)

    user = a_user(email=ann.first)

    assert [outcome(wired, user), outcome(wired, user)] == ["email_taken", "email_taken"]
    assert len(accounts(store)) == 1


def test_a_deleted_user_is_not_brought_back(wired: Wired, store: Store) -> None:
    user = a_user()
    outcome(wired, user)
    (account,) = accounts(store)
    wired.get(DeletionService).delete(session_of(wired, account.user.id), PASSWORD, HERE)
    assert outcome(wired, user) == "skipped"
    wired.get(Outbox).deliver_due()
    wired.get(Outbox).deliver_due()
    assert store.users.account(account.user.id) is None

    assert outcome(wired, user) == "skipped"
    assert accounts(store) == []


def test_nothing_of_the_other_system_is_left_of_a_deleted_user(wired: Wired, store: Store) -> None:
    outcome(wired, a_user())
    (account,) = accounts(store)
    wired.get(DeletionService).delete(session_of(wired, account.user.id), PASSWORD, HERE)

    left = store.users.account(account.user.id)
    assert left is None or left.imported is None


def test_a_dry_run_writes_nothing(wired: Wired, store: Store) -> None:
    assert outcome(wired, a_user(), replace(RULES, dry_run=True)) == "imported"
    assert accounts(store) == []


def test_guesses_at_the_name_before_the_import_do_not_lock_the_user_out(wired: Wired, store: Store) -> None:
    user, throttle = a_user(), wired.get(PasswordThrottle)
    name = f"email:{user.email}"
    for _ in range(FREE + 1):
        throttle.fail_login(throttle.admit_login(name, None, "192.0.2.1"))
    with pytest.raises(TooManyRequests):
        throttle.admit_login(name, None, "192.0.2.1")

    outcome(wired, user)

    (account,) = accounts(store)
    throttle.admit_login(name, account.user.id, "192.0.2.1")


def test_the_authenticator_app_of_the_other_system_is_asked_for_here(wired: Wired, store: Store) -> None:
    user = a_user(hash=DJANGO)
    outcome(wired, user)
    (account,) = accounts(store)
    assert account.factors == ("totp",)
    assert TOTP.secret not in str(account)
    name = LoginName("email", user.email or "")
    with pytest.raises(SecondFactorRequired) as raised:
        wired.get(LoginService).login(name, PASSWORD, HERE)
    token = raised.value.facts["login"]["token"]
    now = wired.parts.clock()

    with pytest.raises(InvalidCode):
        wired.get(LoginGate).resume(token, "totp", Evidence(code=TotpParameters("A" * 32).totp.at(now)), HERE)
    code = TotpParameters(TOTP.secret, TOTP.algorithm, TOTP.digits, TOTP.period).totp.at(now)
    assert wired.get(LoginGate).resume(token, "totp", Evidence(code=code), HERE).user.id == account.user.id


class FailingVault(TotpVault):
    """A vault whose store goes away."""

    def seal(self, *_: object, **__: object) -> None:
        raise Unavailable


def test_an_import_that_cannot_keep_the_secret_takes_the_user_back_and_a_later_one_adds_them(
    wired: Wired, store: Store
) -> None:
    user, plain = a_user(), wired.get(ImportService)
    vault = FailingVault(plain.vault.kept, plain.vault.secrets, plain.vault.clock)
    with pytest.raises(Unavailable):
        replace(plain, vault=vault).add(user, RULES)
    assert accounts(store) == []
    assert outcome(wired, user) == "imported"
    assert [account.factors for account in accounts(store)] == [("totp",)]


def test_what_is_exported_is_imported_as_it_was(wired: Wired, store: Store, subject: Subject) -> None:
    outcome(wired, a_user(last_login_at=datetime(2024, 2, 1, tzinfo=UTC)))
    outcome(wired, a_user(status="disabled", email=None, totp=()))
    outcome(wired, a_user(hash=None, username=None, email_verified=False))
    wired.get(RegistrationService).register(
        NewAccount(PASSWORD, "bob@example.org", "bob", "B\u00f6b"), roles=("admin",)
    )
    tally = Tally()
    lines = "\n".join(wired.get(ExportService).lines("jsonl", tally, with_secrets=True))
    before = [_open(account, wired) for account in accounts(store)]
    assert tally.exported == len(before) == 4
    subject.clear()  # now it is another instance
    wired.get(KeyService).ensure()

    add = partial(wired.get(ImportService).add, rules=ImportRules("jsonl", with_admins=True))
    found = list(import_all(json_lines(io.BytesIO(lines.encode())), reader(FORMATS["jsonl"], {}), add))

    assert [each.outcome for each in found] == ["imported"] * 4
    after = accounts(store)
    assert [_open(account, wired) for account in after] == before
    assert [json.loads(line) for line in wired.get(ExportService).lines("jsonl", Tally(), with_secrets=True)] == [
        json.loads(line) for line in lines.splitlines()
    ]


def _open(account: Account, wired: Wired) -> tuple[object, ...]:
    """What an export has of an account; a sealed secret is another each time."""
    vault = wired.get(TotpVault)
    opened = [vault.parameters_of(listed.id) for listed in account.totp]
    return account.user, account.password_hash, account.imported, opened


def _outcome_of(wired: Wired, incoming: Incoming, _: int) -> str:
    return outcome(wired, incoming)


def test_of_many_who_import_one_user_at_once_one_does(wired: Wired, store: Store, in_threads: InThreads) -> None:
    for user in (a_user(), a_user(id="9a7f7d0e-0c3c-4a57-9a39-0d8a7b6b9a12")):
        outcomes = in_threads(partial(_outcome_of, wired, user))

        assert sorted(outcomes) == ["imported"] + ["skipped"] * 15
    assert len(accounts(store)) == 2
    for account in accounts(store):
        assert len(store.events.page_of(account.user.id, before=None, limit=9)) == 1


def test_of_an_import_and_registrations_of_one_name_exactly_one_succeeds(
    wired: Wired, store: Store, in_threads: InThreads
) -> None:
    user = a_user()

    def act(number: int) -> str:
        if number % 2:
            return outcome(wired, user)
        try:
            wired.get(RegistrationService).register(NewAccount(PASSWORD, user.email))
        except Failure as failure:
            return type(failure).__name__
        return "registered"

    outcomes = in_threads(act)

    assert len(accounts(store)) == 1
    assert outcomes.count("imported") + outcomes.count("registered") == 1
    assert set(outcomes) <= {"imported", "registered", "skipped", "email_taken", "EmailTaken"}


def test_a_user_whose_role_is_deleted_right_before_the_write_is_refused_and_imported_once_it_is_there_again(
    wired: Wired, store: Store
) -> None:
    editor, boss = Role("editor", ("users:read",)), session_of(wired, an_administrator(wired))
    roles, user = wired.get(RoleEditor), a_user(roles=("member", "editor"))
    roles.create(editor, boss, HERE)
    service = wired.get(ImportService)
    looks: list[str] = []

    def unknown(names: Iterable[str]) -> list[str]:
        found = wired.get(Roles).unknown(names)
        if not looks:  # the look before the write
            roles.delete("editor", boss, HERE)
        looks.extend(names)
        return found

    with pytest.raises(RefusedError) as refused:
        replace(service, unknown_roles=unknown).add(user, RULES)

    assert (refused.value.reason, refused.value.field) == ("unknown_role", "roles")
    assert [account.user.id for account in accounts(store)] == [boss.user.id]
    assert store.users.is_role_held("editor") is False
    roles.create(editor, boss, HERE)
    assert outcome(wired, user) == "imported"
    assert {account.user.roles for account in accounts(store)} == {("admin",), ("member", "editor")}


def test_of_imports_and_the_deletion_of_their_role_nobody_is_left_with_a_role_that_is_gone(
    wired: Wired, store: Store, in_threads: InThreads
) -> None:
    boss, roles = session_of(wired, an_administrator(wired)), wired.get(RoleEditor)
    roles.create(Role("editor"), boss, HERE)
    users = [a_user(roles=("editor",)) for _ in range(16)]

    def act(number: int) -> str:
        if number != 7:
            return outcome(wired, users[number])
        try:
            roles.delete("editor", boss, HERE)
        except RoleInUse:
            return "in_use"
        return "deleted"

    outcomes = in_threads(act)

    held = sum("editor" in account.user.roles for account in accounts(store))
    assert held == outcomes.count("imported")
    assert store.role_books.load().exists("editor") or held == 0


def test_a_digest_that_is_too_fast_is_wrapped_and_its_password_works(wired: Wired, store: Store) -> None:
    import hashlib  # noqa: PLC0415 - for this test alone

    digest = hashlib.sha1(b"salt" + PASSWORD.encode(), usedforsecurity=False).digest()
    user = a_user(hash=FastDigest("sha1", b"salt", b"", digest))
    assert outcome(wired, user) == "needs_wrap"

    assert outcome(wired, user, replace(RULES, wrap=True)) == "imported"
    (account,) = accounts(store)
    assert digest.hex() not in (account.password_hash or "")
    assert wired.get(CredentialService).confirm(account.user.id, PASSWORD)
