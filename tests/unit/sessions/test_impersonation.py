"""An administrator acts for a user: how that begins, what ends it, and what it leaves alone."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import pytest

from app.accounts.grants import GrantService
from app.accounts.profile import Changes, ProfileService
from app.platform.errors import (
    Forbidden,
    LastAdmin,
    NotFound,
    SessionEnded,
    TooManyRequests,
)
from app.platform.identifiers import new_id
from app.roles.authority import Authority
from app.roles.editing import RoleChanges, RoleEditor
from app.roles.model import Role
from app.sessions.authenticator import AccessTokenAuthenticator
from app.sessions.explain import ExplainService
from app.sessions.impersonation import LIVES, MOST, ImpersonationService
from app.sessions.live import LiveImpersonations, LiveSessions
from app.sessions.service import SessionService
from tests.unit.instance import DEVICE, session_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.accounts.principal import Principal
    from app.audit.model import AuditEvent
    from app.sessions.impersonation import BegunImpersonation
    from app.sessions.service import Scope
    from tests.api.service import FakeClock
    from tests.unit.instance import Instance


@pytest.fixture
def on(start: Callable[..., Instance]) -> Instance:
    return start(IMPERSONATION="on")


@pytest.fixture
def boss(on: Instance) -> Principal:
    return on.administrator()


@pytest.fixture
def ann(on: Instance) -> str:
    return on.register("ann", email="ann@example.com")


def begin(instance: Instance, by: Principal, user_id: str) -> BegunImpersonation:
    return instance.get(ImpersonationService).begin(by, user_id, "Ticket 4711", DEVICE)


def is_live(instance: Instance, acting: Principal) -> bool:
    return instance.get(LiveImpersonations).present(acting) is not None


def events_of(instance: Instance, user_id: str) -> list[AuditEvent]:
    """The newest first."""
    return instance.store.events.page_of(user_id, before=None, limit=20)


def test_the_token_acts_as_the_user_and_names_the_administrator(
    on: Instance, boss: Principal, ann: str, clock: FakeClock
) -> None:
    begun = begin(on, boss, ann)

    claims = json.loads(urlsafe_b64decode(begun.access_token.split(".")[1] + "=="))
    assert (claims["sub"], claims["act"], claims["roles"]) == (ann, {"sub": boss.user.id}, ["member"])
    assert claims["exp"] - int(clock.now.timestamp()) == LIVES.total_seconds() == 900
    acting = on.get(AccessTokenAuthenticator).authenticate(begun.access_token)
    assert (acting.user.id, acting.kind, acting.actor_id) == (ann, "impersonation", boss.user.id)
    assert acting.impersonation is not None
    assert acting.impersonation.reason == "Ticket 4711"
    assert on.get(ExplainService).explain(begun.access_token).accepted
    assert begun.access_token not in repr(begun)


def test_it_is_no_login_of_the_user(start: Callable[..., Instance]) -> None:
    on = start(IMPERSONATION="on", SESSIONS_PER_USER="1")
    boss, opened = on.administrator(), on.login_of("ann")
    before = session_of(on.wired, opened.user.id)
    on.get(SessionService).end(before.session_id, opened.user, DEVICE)
    own = on.login("ann")
    user = on.get(AccessTokenAuthenticator).authenticate(own.access_token).user

    on.impersonation_of(opened.user.id, boss)

    assert on.get(AccessTokenAuthenticator).authenticate(own.access_token).user == user
    assert len(on.get(SessionService).list_of(user)) == 1


def test_the_event_names_both_and_the_reason_and_the_user_is_told_by_mail(
    on: Instance, boss: Principal, ann: str, change_user: Callable[..., None]
) -> None:
    begun = begin(on, boss, ann)

    [event, *_] = events_of(on, ann)
    assert (event.action, event.user_id, event.actor_id) == ("user.impersonated", ann, boss.user.id)
    assert event.details == {"reason": "Ticket 4711", "session": begun.impersonation.id}
    account = on.store.users.account(ann)
    assert account is not None
    assert [(each.kind, each.to, each.facts) for each in account.notices if each.kind == "impersonated"] == [
        ("impersonated", "ann@example.com", {})  # the address is not proven, so the words of others stay out
    ]
    change_user(ann, email_verified=1)
    begin(on, boss, ann)
    account = on.store.users.account(ann)
    assert account is not None
    assert account.notices[-1].facts == {"reason": "Ticket 4711"}


def test_it_is_off_by_default_and_what_began_before_ends_with_the_setting(
    on: Instance, boss: Principal, ann: str, start: Callable[..., Instance]
) -> None:
    begun = begin(on, boss, ann)
    off = start()

    with pytest.raises(Forbidden, match="IMPERSONATION=on"):
        begin(off, boss, ann)
    with pytest.raises(SessionEnded):
        off.get(AccessTokenAuthenticator).authenticate(begun.access_token)
    assert off.get(LiveImpersonations).of_user(ann) == []


def test_nobody_acts_for_themselves_or_somebody_who_is_not_there_or_not_active(
    on: Instance, boss: Principal, ann: str, change_user: Callable[..., None]
) -> None:
    with pytest.raises(Forbidden, match="yourself"):
        begin(on, boss, boss.user.id)
    with pytest.raises(NotFound):
        begin(on, boss, new_id())
    for status in ("disabled", "invited"):
        change_user(ann, status=status)
        with pytest.raises(Forbidden, match="not active"):
            begin(on, boss, ann)
    change_user(ann, status="deleted")
    with pytest.raises(NotFound):
        begin(on, boss, ann)


@pytest.fixture
def support(on: Instance, boss: Principal) -> Principal:
    """Someone who may act for users, and nothing else."""
    on.get(RoleEditor).create(Role("support", ("users:impersonate",), None), boss, DEVICE)
    user_id = on.register("support-7")
    on.get(GrantService).set_roles(boss, user_id, ("support",), DEVICE)
    return session_of(on.wired, user_id)


def test_nobody_acts_for_a_user_with_permissions_that_they_lack(
    on: Instance, boss: Principal, support: Principal, ann: str
) -> None:
    on.impersonation_of(ann, support)
    with pytest.raises(Forbidden, match="permissions that you do not hold"):
        begin(on, support, boss.user.id)


def test_whoever_lost_the_permission_since_they_were_let_in_begins_nothing(
    on: Instance, boss: Principal, support: Principal, ann: str
) -> None:
    on.get(GrantService).set_roles(boss, support.user.id, ("member",), DEVICE)
    with pytest.raises(Forbidden):
        begin(on, support, ann)
    assert "user.impersonated" not in [event.action for event in events_of(on, ann)]


def test_whoever_is_demoted_right_before_the_write_begins_nothing(
    on: Instance, boss: Principal, support: Principal, ann: str
) -> None:
    class Late:
        def held_by(self, caller: Principal) -> frozenset[str]:
            on.get(GrantService).set_roles(boss, support.user.id, ("member",), DEVICE)
            return on.get(Authority).held_by(caller)

    late = replace(on.get(ImpersonationService), authority=cast("Authority", Late()))
    with pytest.raises(Forbidden, match="needs the permission users:impersonate"):
        late.begin(support, ann, "Ticket 4711", DEVICE)
    assert "user.impersonated" not in [event.action for event in events_of(on, ann)]


@dataclass(frozen=True)
class Scene:
    """Who acts for whom."""

    on: Instance
    boss: Principal
    support: Principal
    ann: str

    def set_roles(self, user_id: str, role: str) -> None:
        self.on.get(GrantService).set_roles(self.boss, user_id, (role,), DEVICE)

    def log_out(self, who: Principal, scope: Scope) -> None:
        self.on.get(SessionService).log_out(who, scope, DEVICE)


def the_role_permits(scene: Scene, *permissions: str) -> None:
    changes = RoleChanges(permissions=permissions, description=None, describes=False)
    scene.on.get(RoleEditor).change("support", changes, scene.boss, DEVICE)


def demoted_and_promoted_again(scene: Scene) -> None:
    for role in ("member", "support"):
        scene.set_roles(scene.support.user.id, role)


def the_role_loses_the_permission_and_gets_it_again(scene: Scene) -> None:
    the_role_permits(scene)
    the_role_permits(scene, "users:impersonate")


def the_user_gains_a_permission(scene: Scene) -> None:
    scene.on.get(RoleEditor).create(Role("reader", ("users:read",), None), scene.boss, DEVICE)
    scene.set_roles(scene.ann, "reader")


def the_user_ends_it(scene: Scene) -> None:
    begun = scene.on.get(LiveImpersonations).of_user(scene.ann)[0]
    scene.on.get(SessionService).end(begun.id, session_of(scene.on.wired, scene.ann).user, DEVICE)


ENDS: dict[str, Callable[[Scene], object]] = {
    "the administrator is demoted": lambda scene: scene.set_roles(scene.support.user.id, "member"),
    "the administrator is demoted and promoted again": demoted_and_promoted_again,
    "their role loses the permission": the_role_permits,
    "their role loses the permission and gets it again": the_role_loses_the_permission_and_gets_it_again,
    "the administrator logs out of the session that it began in": lambda scene: scene.log_out(scene.support, "this"),
    "the administrator logs out everywhere": lambda scene: scene.log_out(scene.support, "all"),
    "the user gains a permission that the administrator lacks": the_user_gains_a_permission,
    "the user logs out everywhere": lambda scene: scene.log_out(session_of(scene.on.wired, scene.ann), "all"),
    "the user logs out the others": lambda scene: scene.log_out(session_of(scene.on.wired, scene.ann), "others"),
    "the user ends it": the_user_ends_it,
}


@pytest.mark.parametrize("end", ENDS)
def test_it_ends_at_once_when(end: str, on: Instance, boss: Principal, support: Principal, ann: str) -> None:
    acting, of_boss = on.impersonation_of(ann, support), on.impersonation_of(ann, boss)
    assert is_live(on, acting)

    ENDS[end](Scene(on, boss, support, ann))

    assert not is_live(on, acting)
    assert acting.session_id not in [each.id for each in on.get(LiveImpersonations).of_user(ann)]
    with pytest.raises(SessionEnded):
        on.get(ProfileService).change(acting, Changes(name="Eve", renames=True), DEVICE)
    assert is_live(on, of_boss) == (not end.startswith("the user logs out"))


def test_it_goes_on_when_the_administrator_or_their_role_gains_something_and_begins_anew_after_a_demotion(
    on: Instance, boss: Principal, support: Principal, ann: str
) -> None:
    scene, acting = Scene(on, boss, support, ann), on.impersonation_of(ann, support)
    on.get(GrantService).set_roles(boss, support.user.id, ("member", "support"), DEVICE)
    the_role_permits(scene, "users:impersonate", "users:read")
    assert is_live(on, acting)

    demoted_and_promoted_again(scene)

    assert is_live(on, on.impersonation_of(ann, session_of(on.wired, support.user.id)))


def test_whoever_is_demoted_and_promoted_while_they_begin_has_begun_nothing_that_lives(
    on: Instance, boss: Principal, support: Principal, ann: str
) -> None:
    class Late:
        def held_by(self, caller: Principal) -> frozenset[str]:
            demoted_and_promoted_again(Scene(on, boss, support, ann))
            return on.get(Authority).held_by(caller)

    late = replace(on.get(ImpersonationService), authority=cast("Authority", Late()))
    begun = late.begin(support, ann, "Ticket 4711", DEVICE)
    with pytest.raises(SessionEnded):
        on.get(AccessTokenAuthenticator).authenticate(begun.access_token)


@pytest.mark.parametrize("change", ["status disabled", "status deleted", "auth_epoch 1"])
@pytest.mark.parametrize("of", ["boss", "ann"])
def test_it_ends_with_the_status_or_the_epoch_of_either(
    on: Instance, ann: str, change_user: Callable[..., None], of: str, change: str
) -> None:
    boss = on.administrator()
    acting = on.impersonation_of(ann, boss)
    field, _, content = change.partition(" ")
    change_user(ann if of == "ann" else boss.user.id, **{field: content})
    assert not is_live(on, acting)


def test_it_lives_for_15_minutes_however_much_it_is_used(
    on: Instance, boss: Principal, ann: str, clock: FakeClock
) -> None:
    acting = on.impersonation_of(ann, boss)
    clock.advance(LIVES.total_seconds() - 0.001)
    assert is_live(on, acting)
    assert not on.get(AccessTokenAuthenticator).use_is_due(acting)
    clock.advance(0.001)
    assert not is_live(on, acting)


def test_an_impersonation_ends_only_itself(on: Instance, boss: Principal, ann: str) -> None:
    own, sessions = session_of(on.wired, ann), on.get(SessionService)
    acting, other = on.impersonation_of(ann, boss), on.impersonation_of(ann, on.administrator("chief"))
    scopes: tuple[Scope, ...] = ("others", "all")
    for scope in scopes:
        with pytest.raises(Forbidden):
            sessions.log_out(acting, scope, DEVICE)
    assert is_live(on, acting)

    for _ in range(2):  # a second time it is over, and no failure
        sessions.log_out(acting, "this", DEVICE)

    assert (is_live(on, acting), is_live(on, other)) == (False, True)
    assert [each.id for each in sessions.list_of(own.user)] == [own.session_id]
    assert on.get(LiveSessions).present(boss) is not None
    ended = [event for event in events_of(on, ann) if event.action == "session.ended"]
    assert [(event.actor_id, event.details) for event in ended] == [(boss.user.id, {"session_id": acting.session_id})]


def test_the_user_who_ends_it_is_named_as_nobody_else(on: Instance, boss: Principal, ann: str) -> None:
    acting = on.impersonation_of(ann, boss)
    user, sessions = session_of(on.wired, ann).user, on.get(SessionService)
    sessions.end(acting.session_id, user, DEVICE)
    assert [(event.action, event.actor_id) for event in events_of(on, ann)][:1] == [("session.ended", None)]
    with pytest.raises(NotFound):
        sessions.end(acting.session_id, user, DEVICE)


def test_nobody_ends_an_impersonation_of_another(on: Instance, boss: Principal, ann: str) -> None:
    acting = on.impersonation_of(ann, boss)
    eve = session_of(on.wired, on.register("eve")).user
    with pytest.raises(NotFound):
        on.get(SessionService).end(acting.session_id, eve, DEVICE)
    assert is_live(on, acting)


def test_an_impersonation_is_never_a_recent_login_of_the_user(on: Instance, boss: Principal, ann: str) -> None:
    acting, callers = on.impersonation_of(ann, boss), on.get(AccessTokenAuthenticator)
    with pytest.raises(Forbidden):
        callers.require_fresh_login(acting)
    callers.require_fresh_login(replace(acting, kind="session"))


def test_only_so_many_act_for_one_user_at_once(on: Instance, boss: Principal, ann: str, clock: FakeClock) -> None:
    begun = [on.impersonation_of(ann, boss) for _ in range(MOST)]
    clock.advance(60)
    with pytest.raises(TooManyRequests) as refused:
        begin(on, boss, ann)
    assert refused.value.retry_after == LIVES.total_seconds() - 60

    on.get(SessionService).log_out(begun[0], "this", DEVICE)
    begin(on, boss, ann)
    account = on.store.users.account(ann)
    assert account is not None
    assert len(account.impersonations) == MOST
    clock.advance(LIVES.total_seconds())
    begin(on, on.administrator("chief"), ann)
    account = on.store.users.account(ann)
    assert account is not None
    assert len(account.impersonations) == 1  # those that are over go


def test_a_token_whose_actor_was_cut_out_or_altered_is_refused(on: Instance, boss: Principal, ann: str) -> None:
    tokens = on.get(ImpersonationService).tokens
    begun = begin(on, boss, ann).impersonation
    plain = tokens.issue(subject=ann, session_id=begun.id, roles=())
    with pytest.raises(SessionEnded):
        on.get(AccessTokenAuthenticator).authenticate(plain)
    own = session_of(on.wired, ann)
    acted = tokens.issue(subject=ann, session_id=own.session_id, roles=(), actors=(boss.user.id,))
    with pytest.raises(SessionEnded):
        on.get(AccessTokenAuthenticator).authenticate(acted)


def test_the_last_administrator_who_is_acted_for_stays_the_last(on: Instance, boss: Principal) -> None:
    """The guard of administrators has nothing to do with it: no role changes."""
    chief = on.administrator("chief")
    acting = on.impersonation_of(chief.user.id, boss)
    on.get(GrantService).set_roles(boss, boss.user.id, ("member",), DEVICE)
    assert not is_live(on, acting)
    with pytest.raises(LastAdmin):
        on.get(GrantService).set_roles(chief, chief.user.id, ("member",), DEVICE)


def test_the_mail_about_a_change_says_that_an_administrator_did_it_and_not_from_where(
    on: Instance, boss: Principal, ann: str
) -> None:
    acting = on.impersonation_of(ann, boss)
    on.get(ProfileService).change(acting, Changes(name="Ann", renames=True), DEVICE)
    on.get(ProfileService).change(session_of(on.wired, ann), Changes(name="Anna", renames=True), DEVICE)

    account = on.store.users.account(ann)
    assert account is not None
    assert [each.facts for each in account.notices if each.kind == "profile_changed"] == [
        {"actor": "an administrator who acts for you"},
        {"ip": DEVICE.ip},
    ]
