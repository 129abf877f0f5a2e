"""What every store promises about webhooks: no event is lost, comes under two identifiers, or tells of the deleted."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import standardwebhooks

from app.accounts.account import Account
from app.accounts.deletion import DeletionService
from app.accounts.profile import Changes, ProfileService
from app.accounts.service import Accounts
from app.outbox.service import Outbox
from app.platform.devices import Device
from app.platform.errors import InvalidRequest, NotFound, ValidationFailed
from app.platform.identifiers import new_id
from app.recovery.email_change import EmailChangeService
from app.security import codes
from app.security.secret_keys import SecretKeys
from app.sessions.service import SessionService
from app.webhooks.deliveries import CLAIMED_FOR, DISABLED_AFTER, KEPT, RETRIES, DeliveryService, DeliveryWakes
from app.webhooks.model import Delivery, SealedSecret, Webhook, WebhookBook
from app.webhooks.service import BOTH_SIGN_FOR, MOST, NewWebhook, WebhookService, WithSecret
from tests.api.service import SETTINGS, FakeClock
from tests.contract.entities import DAY, HASH, NOW, a_user
from tests.servers.receiving import Posted, Receiver, receiving
from tests.stores import Store, events_of
from tests.unit.instance import DEVICE, Instance, session_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app import wiring
    from app.accounts.principal import Principal
    from tests.contract.races import InProcesses, InThreads
    from tests.contract.subject import Start


class Told(Instance):
    """An instance, and a receiver whose webhook it tells of all events."""

    def __init__(self, wired: wiring.Wired, receiver: Receiver, clock: FakeClock) -> None:
        super().__init__(wired)
        self.receiver, self.clock = receiver, clock

    @property
    def webhooks(self) -> WebhookService:
        return self.get(WebhookService)

    def webhook(self, *events: str, by: Principal | None = None) -> WithSecret:
        return self.webhooks.create(NewWebhook(self.receiver.url, events or ("*",)), by, None)

    def deliver(self) -> list[str]:
        """Have everything told that is due; the types of what was posted."""
        before = len(self.receiver.posted)
        self.get(Outbox).deliver_due()
        self.get(DeliveryService).deliver_due()
        return [posted.type for posted in self.receiver.posted[before:]]

    def deliveries(self, webhook: Webhook) -> list[Delivery]:
        return self.store.deliveries.page_of(webhook.id, before=None, limit=500)

    def present(self, webhook: Webhook) -> Webhook:
        return self.webhooks.find(webhook.id)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def told(start: Start, receiver: Receiver) -> Told:
    clock = FakeClock()
    return Told(start(clock=clock, EGRESS_ALLOW="127.0.0.1"), receiver, clock)


def a_webhook(number: int = 0) -> Webhook:
    return Webhook(new_id(), f"https://example.com/{number}", ("user.created",), NOW, SealedSecret("text", "name"))


def a_delivery(webhook_id: str = "", **more: object) -> Delivery:
    plain = Delivery(new_id(), webhook_id or new_id(), "user.created", '{"a":"ü"}', NOW, NOW, NOW + DAY, new_id())
    return replace(plain, **more)  # type: ignore[arg-type] # fields of it


# The store


def test_the_webhooks_are_kept_as_they_are(store: Store) -> None:
    assert store.webhook_books.load() == WebhookBook()
    full = replace(
        a_webhook(), description="ü", enabled=False, owner_id=new_id(), failing_since=NOW,
        former=SealedSecret("former", "name"), former_until=NOW + DAY, disabled_for="gone", untold=True,
    )  # fmt: skip
    book = WebhookBook(1, (full, a_webhook()))
    assert store.webhook_books.save(book)
    assert store.webhook_books.load() == book


def test_of_changes_of_the_webhooks_at_once_one_is_stored(store: Store, in_threads: InThreads) -> None:
    first = in_threads(lambda number: store.webhook_books.save(WebhookBook(1, (a_webhook(number),))))
    second = in_threads(lambda number: store.webhook_books.save(WebhookBook(2, (a_webhook(number),))))
    assert [first.count(True), second.count(True)] == [1, 1]


def test_a_delivery_is_kept_as_it_is_and_once(store: Store) -> None:
    delivery = a_delivery(next_attempt_at=None, status="dead", attempts=10, response_status=500, error="no")
    assert [store.deliveries.add(delivery), store.deliveries.add(delivery)] == [True, False]
    assert store.deliveries.get(delivery.id) == delivery
    assert store.deliveries.get(new_id()) is None


@pytest.mark.parametrize("changes", [{"attempts": 1}, {"next_attempt_at": NOW + DAY}, {"next_attempt_at": None}])
def test_a_delivery_that_has_changed_is_not_replaced(store: Store, changes: dict[str, object]) -> None:
    delivery = a_delivery()
    store.deliveries.add(delivery)
    changed = replace(delivery, **changes)  # type: ignore[arg-type] # fields of it
    assert not store.deliveries.replace(changed, replace(changed, status="dead"))
    assert store.deliveries.get(delivery.id) == delivery
    assert store.deliveries.replace(delivery, changed)
    assert store.deliveries.replace(changed, delivery)
    assert store.deliveries.get(delivery.id) == delivery


def test_of_many_who_claim_a_delivery_one_gets_it(store: Store, in_threads: InThreads) -> None:
    delivery = a_delivery()
    store.deliveries.add(delivery)
    claimed = replace(delivery, attempts=1, next_attempt_at=NOW + CLAIMED_FOR)
    assert in_threads(lambda _: store.deliveries.replace(delivery, claimed)).count(True) == 1


def test_what_is_due_is_found_in_its_order_for_each_webhook_alone(store: Store) -> None:
    webhook_id = new_id()
    late, early, later = (
        a_delivery(webhook_id, next_attempt_at=NOW + timedelta(seconds=seconds)) for seconds in (2, 1, 9)
    )
    for delivery in (late, early, later, a_delivery(), a_delivery(webhook_id, next_attempt_at=None)):
        store.deliveries.add(delivery)
    now = NOW + timedelta(seconds=2)
    assert store.deliveries.due(webhook_id, now, 10) == [early, late]
    assert store.deliveries.due(webhook_id, now, 1) == [early]
    assert [store.deliveries.waiting(webhook_id, limit) for limit in (10, 2)] == [3, 2]


def test_of_those_that_wait_for_nothing_the_newest_are_kept(store: Store) -> None:
    webhook_id = new_id()
    waits, *done = [a_delivery(webhook_id), *(a_delivery(webhook_id, next_attempt_at=None) for _ in range(5))]
    for delivery in (waits, *done):
        store.deliveries.add(delivery)
    assert store.deliveries.prune(webhook_id, 2) == 3
    left = [*reversed(done[-2:]), waits]
    assert store.deliveries.page_of(webhook_id, before=None, limit=10) == left
    assert store.deliveries.page_of(webhook_id, before=left[0].id, limit=1) == left[1:2]


def test_deliveries_go_with_their_webhook_their_user_and_their_time(store: Store) -> None:
    gone, of_user, expired, deleted, stays = (a_delivery() for _ in range(5))
    expired = replace(expired, expires_at=NOW)
    deleted = replace(deleted, user_id=of_user.user_id, event="user.deleted")
    for delivery in (gone, of_user, expired, deleted, stays):
        store.deliveries.add(delivery)
    assert store.deliveries.remove_some_of(gone.webhook_id, 10) == 1
    assert store.deliveries.erase_some_of(str(of_user.user_id), 10, but="user.deleted") == 1
    assert store.deliveries.delete_expired(NOW, 10) == 1
    found = [store.deliveries.get(each.id) for each in (gone, of_user, expired, deleted, stays)]
    assert found == [None, None, None, deleted, stays]


# What is told


def test_a_change_and_its_event_are_one_write(told: Told) -> None:
    told.webhook("user.created")
    account = told.store.users.account(told.register())
    assert account is not None
    assert [entry.payload["event"] for entry in account.outbox] == ["user.created"]


def test_what_nobody_wants_is_not_written(told: Told) -> None:
    webhook = told.webhook("user.deleted").webhook
    other = told.webhook("user.created").webhook
    told.webhooks.change(other.id, {"enabled": False}, None, None)
    account = told.store.users.account(told.register())
    assert account is not None
    assert account.outbox == ()
    assert told.deliver() == []
    assert told.deliveries(webhook) == []


def test_an_event_arrives_signed_and_says_what_changed(told: Told) -> None:
    made = told.webhook()
    user_id = told.register("ann", email="ann@example.com", name="Ann")
    assert told.deliver() == ["user.created"]
    (posted,) = told.receiver.posted
    assert standardwebhooks.Webhook(made.secret).verify(posted.body, posted.headers) == posted.event
    assert posted.headers["content-type"] == "application/json"
    assert posted.data == {
        "version": 0,
        "actor": {"kind": "user"},
        "user": {
            "id": user_id, "email": "ann@example.com", "email_verified": False, "username": "ann", "name": "Ann",
            "status": "active", "roles": ["member"],
        },
    }  # fmt: skip
    (delivery,) = told.deliveries(made.webhook)
    assert (delivery.id, delivery.status, delivery.response_status) == (posted.id, "delivered", 204)
    assert told.deliver() == []


def test_a_later_event_of_a_user_has_a_higher_version(told: Told) -> None:
    told.webhook("user.updated")
    ann = session_of(told.wired, told.register())
    for name in ("Ann", "Anne"):
        told.get(ProfileService).change(ann, Changes(name=name, renames=True), DEVICE)
    assert told.deliver() == ["user.updated"] * 2
    first, second = sorted((posted.data for posted in told.receiver.posted), key=lambda data: int(data["version"]))
    assert first["version"] < second["version"]
    assert [first["user"]["name"], second["user"]["name"]] == ["Ann", "Anne"]
    assert first["fields"] == ["name"]


def test_an_event_that_is_handled_twice_is_delivered_once(told: Told) -> None:
    webhook = told.webhook().webhook
    account = told.store.users.account(told.register())
    assert account is not None
    for _ in range(2):  # the worker died before it settled the first time
        assert told.get(DeliveryService).told(account, account.outbox[0]) is None
    assert len(told.deliveries(webhook)) == 1


def test_each_webhook_gets_its_own_delivery(told: Told) -> None:
    told.webhook("user.created")
    told.webhook("*")
    told.register()
    assert told.deliver() == ["user.created"] * 2
    assert len({posted.id for posted in told.receiver.posted}) == 2


def test_of_a_deleted_user_only_the_deletion_is_told(told: Told) -> None:
    webhook = told.webhook().webhook
    user_id = told.register(email="ann@example.com")
    told.get(Outbox).deliver_due()  # a delivery with the address waits
    ann = session_of(told.wired, user_id)
    told.get(ProfileService).change(ann, Changes(name="Ann", renames=True), DEVICE)  # an event waits in the account
    told.get(DeletionService).delete(ann, "correct horse battery staple", DEVICE)
    assert told.deliver() == ["user.deleted"]
    assert told.receiver.posted[0].data == {
        "version": told.receiver.posted[0].data["version"], "actor": {"kind": "user"}, "user": {"id": user_id},
    }  # fmt: skip
    assert told.store.users.account(user_id) is None
    assert [delivery.event for delivery in told.deliveries(webhook)] == ["user.deleted"]


def test_an_event_that_a_deleted_user_left_is_never_a_delivery(told: Told) -> None:
    told.webhook("user.created")
    user_id = told.register()
    account = told.store.users.account(user_id)
    assert account is not None
    wakes = told.get(DeliveryWakes)
    told.get(DeliveryService).told(account.with_user(status="deleted"), account.outbox[0])
    assert not wakes.is_set()  # nothing was made that a worker could post before it is taken back
    told.get(DeliveryService).told(account, account.outbox[0])
    assert wakes.is_set()


def test_an_event_that_is_handled_while_its_user_is_deleted_leaves_nothing(told: Told) -> None:
    webhook = told.webhook("user.created").webhook
    user_id = told.register()
    claimed = told.store.users.account(user_id)
    assert claimed is not None
    told.get(DeletionService).delete(session_of(told.wired, user_id), "correct horse battery staple", DEVICE)
    told.get(DeliveryService).told(claimed, claimed.outbox[0])
    assert told.deliveries(webhook) == []


def test_an_account_that_is_taken_back_is_told(told: Told) -> None:
    told.webhook("user.deleted", "user.restored")
    user_id = told.register(email="ann@example.com")
    account = told.store.users.account(user_id)
    assert account is not None
    assert told.store.users.save(account.with_user(email_verified=True))
    account = told.store.users.account(user_id)
    assert account is not None
    now, offer_id = told.clock(), new_id()
    moved = account.moved_to("ann@example.org", account.offer_of_present_email(offer_id, now), now)
    assert told.store.users.save(moved)
    told.get(DeletionService).delete(session_of(told.wired, user_id), "correct horse battery staple", DEVICE)
    assert told.deliver() == ["user.deleted"]
    token = codes.make_token(told.get(SecretKeys).current, "undo", user_id, offer_id)
    told.get(EmailChangeService).undo(token, DEVICE)
    assert told.deliver() == ["user.restored"]
    assert told.receiver.posted[-1].data["user"]["email"] == "ann@example.com"


def test_the_end_of_a_session_is_told_once_however_many_end_it(told: Told, in_threads: InThreads) -> None:
    told.webhook("session.revoked")
    ann = session_of(told.wired, told.register())
    service = told.get(SessionService)
    in_threads(lambda _: service.log_out(ann, "this", DEVICE))
    assert told.deliver() == ["session.revoked"]
    data = told.receiver.posted[0].data
    assert (data["scope"], data["session"], data["user"]) == ("one", ann.session_id, {"id": ann.user.id})


def test_a_session_that_did_not_end_after_all_is_not_told(told: Told) -> None:
    webhook = told.webhook("session.revoked").webhook
    ann = session_of(told.wired, told.register())
    # A crash between the two writes:
    told.get(Accounts).announce(ann.user.id, "session.ended", lambda: True, session_id=ann.session_id)
    for _ in range(20):
        assert told.deliver() == []
        told.clock.advance(5)
    account = told.store.users.account(ann.user.id)
    assert account is not None
    assert (account.outbox, told.deliveries(webhook)) == ((), [])


def test_a_session_that_never_was_is_not_told(told: Told) -> None:
    told.webhook("session.revoked")
    ann = session_of(told.wired, told.register())
    with pytest.raises(NotFound):
        told.get(SessionService).end(new_id(), ann.user, DEVICE)
    assert told.deliver() == []


# Deliveries


def test_a_worker_that_dies_while_it_delivers_is_replaced_and_keeps_the_identifier(told: Told) -> None:
    webhook = told.webhook().webhook
    told.register()
    told.get(Outbox).deliver_due()
    (delivery,) = told.deliveries(webhook)
    assert told.get(DeliveryService).claim(delivery) is not None
    assert told.deliver() == []
    told.clock.advance(CLAIMED_FOR.total_seconds())
    assert told.deliver() == ["user.created"]
    (settled,) = told.deliveries(webhook)
    assert (settled.id, settled.status, settled.attempts) == (told.receiver.posted[0].id, "delivered", 2)


def test_a_delivery_that_ends_its_worker_each_time_comes_to_an_end(told: Told) -> None:
    webhook = told.webhook().webhook
    told.register()
    told.get(Outbox).deliver_due()
    for _ in range(len(RETRIES) + 1):
        assert told.get(DeliveryService).claim(told.deliveries(webhook)[0]) is not None
        told.clock.advance(CLAIMED_FOR.total_seconds())
    assert told.deliver() == []
    assert told.deliveries(webhook)[0].status == "dead"


def test_many_workers_deliver_each_event_once(told: Told, in_threads: InThreads) -> None:
    told.webhook()
    users = [told.register(f"user{number}") for number in range(8)]
    told.get(Outbox).deliver_due()
    in_threads(lambda _: told.get(DeliveryService).deliver_due())
    assert sorted(posted.data["user"]["id"] for posted in told.receiver.posted) == sorted(users)


def test_a_delivery_that_fails_is_tried_by_the_schedule_and_then_is_dead(told: Told) -> None:
    webhook = told.webhook().webhook
    told.register()
    told.receiver.answer = lambda _: 503
    for retry in RETRIES:
        assert told.deliver() == ["user.created"]
        (delivery,) = told.deliveries(webhook)
        assert (delivery.status, delivery.response_status) == ("failed", 503)
        assert delivery.next_attempt_at == told.clock() + retry
        told.clock.advance(retry.total_seconds() - 0.001)
        assert told.deliver() == []
        told.clock.advance(0.001)
    assert told.deliver() == ["user.created"]
    (delivery,) = told.deliveries(webhook)
    assert (delivery.status, delivery.next_attempt_at, delivery.attempts) == ("dead", None, 10)
    assert len({posted.id for posted in told.receiver.posted}) == 1


def test_a_dead_or_delivered_one_is_replayed_under_its_identifier(told: Told) -> None:
    webhook = told.webhook().webhook
    told.register()
    told.deliver()
    (delivered,) = told.deliveries(webhook)
    told.webhooks.replay(webhook.id, delivered.id, None)
    assert told.deliver() == ["user.created"]
    first, second = told.receiver.posted
    assert (first.id, first.body) == (second.id, second.body)
    assert told.deliveries(webhook)[0].attempts == 1


def test_a_delivery_that_is_replayed_while_it_is_under_way_goes_out_again(told: Told) -> None:
    webhook = told.webhook().webhook
    told.register()

    def replayed_meanwhile(posted: Posted) -> int:
        told.webhooks.replay(webhook.id, posted.id, None)
        return 500

    told.receiver.answer = replayed_meanwhile
    told.get(Outbox).deliver_due()
    claimed = told.get(DeliveryService).claim(told.deliveries(webhook)[0])
    assert claimed is not None
    told.get(DeliveryService).attempt(claimed)
    (replayed,) = told.deliveries(webhook)
    assert (replayed.status, replayed.attempts) == ("pending", 0)


def test_the_delivery_of_another_webhook_is_not_replayed(told: Told) -> None:
    webhook, other = told.webhook("user.created").webhook, told.webhook("user.deleted").webhook
    told.register()
    told.deliver()
    with pytest.raises(NotFound):
        told.webhooks.replay(other.id, told.deliveries(webhook)[0].id, None)


def test_both_secrets_sign_for_a_day(told: Told) -> None:
    made = told.webhook()
    told.register()
    told.receiver.answer = lambda _: 500
    told.deliver()
    anew = told.webhooks.rotate_secret(made.webhook.id, None, None)
    assert anew.secret != made.secret
    told.clock.advance(RETRIES[0].total_seconds())
    told.deliver()  # a retry of what was made before the rotation
    first, both = told.receiver.posted
    assert verifies(made.secret, first)
    assert not verifies(anew.secret, first)
    assert verifies(made.secret, both)
    assert verifies(anew.secret, both)
    told.clock.advance(BOTH_SIGN_FOR.total_seconds())
    told.deliver()
    assert verifies(anew.secret, told.receiver.posted[-1])
    assert not verifies(made.secret, told.receiver.posted[-1])


def verifies(secret: str, posted: Posted) -> bool:
    """Whether one of the signatures is by this secret, whatever the clock says."""
    at = datetime.fromtimestamp(int(posted.headers["webhook-timestamp"]), UTC)
    expected = standardwebhooks.Webhook(secret).sign(posted.id, at, posted.body)
    return expected in posted.headers["webhook-signature"].split(" ")


def test_a_webhook_that_is_deleted_meanwhile_gets_nothing_more(told: Told) -> None:
    webhook = told.webhook().webhook
    told.register()
    told.get(Outbox).deliver_due()
    claimed = told.get(DeliveryService).claim(told.deliveries(webhook)[0])
    told.webhooks.delete(webhook.id, None, None)
    assert claimed is not None
    told.get(DeliveryService).attempt(claimed)
    told.register("ben")
    assert told.deliver() == []
    assert told.deliveries(webhook) == []
    with pytest.raises(NotFound):
        told.webhooks.find(webhook.id)


def test_what_comes_due_while_a_webhook_is_disabled_is_dead(told: Told) -> None:
    webhook = told.webhook().webhook
    told.register()
    told.get(Outbox).deliver_due()
    told.webhooks.change(webhook.id, {"enabled": False}, None, None)
    told.register("ben")
    assert told.deliver() == []
    (delivery,) = told.deliveries(webhook)
    assert delivery.status == "dead"
    with pytest.raises(InvalidRequest):
        told.webhooks.replay(webhook.id, delivery.id, None)
    told.webhooks.change(webhook.id, {"enabled": True}, None, None)
    told.webhooks.replay(webhook.id, delivery.id, None)
    assert told.deliver() == ["user.created"]


def test_a_test_goes_out_also_while_the_webhook_is_disabled(told: Told) -> None:
    webhook = told.webhook("user.created").webhook
    told.webhooks.change(webhook.id, {"enabled": False}, None, None)
    told.webhooks.test(webhook.id, None)
    assert told.deliver() == ["webhook.test"]
    assert told.receiver.posted[0].data == {"webhook": {"id": webhook.id}}


def test_410_disables_at_once_and_its_owner_is_told_once(told: Told) -> None:
    owner_id = told.register("olive", email="olive@example.com")
    account = told.store.users.account(owner_id)
    assert account is not None
    assert told.store.users.save(account.with_user(email_verified=True, roles=("admin",)))
    webhook = told.webhook("user.created", by=session_of(told.wired, owner_id)).webhook
    told.register("ann")
    told.receiver.answer = lambda _: 410
    told.deliver()
    present = told.present(webhook)
    assert (present.enabled, present.disabled_for) == (False, "gone")
    assert told.deliveries(webhook)[0].status == "dead"
    for _ in range(2):
        told.get(DeliveryService).tend()
    account = told.store.users.account(owner_id)
    assert account is not None
    assert [notice.kind for notice in account.notices if notice.kind == "webhook_disabled"] == ["webhook_disabled"]
    assert next(event.action for event in events_of(told.store, owner_id)) == "webhook.disabled"


def test_five_days_of_failure_disable_and_one_success_begins_anew(told: Told) -> None:
    webhook = told.webhook().webhook
    told.receiver.answer = lambda _: 500
    told.register("user0")
    told.deliver()
    assert told.present(webhook).failing_since == told.clock()
    told.clock.advance(DISABLED_AFTER.total_seconds() - 1)
    told.receiver.answer = lambda _: 200
    told.register("user1")
    told.deliver()
    assert told.present(webhook).failing_since is None
    told.receiver.answer = lambda _: 500
    told.register("user2")
    told.deliver()
    told.clock.advance(DISABLED_AFTER.total_seconds() - 1)
    told.register("user3")
    told.deliver()
    assert told.present(webhook).enabled
    told.clock.advance(1)
    told.register("user4")
    told.deliver()
    assert (told.present(webhook).enabled, told.present(webhook).disabled_for) == (False, "failing")


def test_a_redirect_is_not_followed(told: Told) -> None:
    webhook = told.webhook().webhook
    told.register()
    told.receiver.answer = lambda _: 302
    told.deliver()
    assert [posted.path for posted in told.receiver.posted] == ["/hook"]
    assert told.deliveries(webhook)[0].response_status == 302


def test_the_last_deliveries_are_kept(told: Told) -> None:
    webhook = told.webhook("user.deleted").webhook
    for _ in range(KEPT + 3):
        told.webhooks.test(webhook.id, None)
    told.deliver()
    told.get(DeliveryService).tend()
    assert len(told.deliveries(webhook)) == KEPT


def test_there_is_a_most_of_webhooks_also_at_once(told: Told, in_threads: InThreads) -> None:
    webhooks = tuple(a_webhook(number) for number in range(MOST - 1))
    assert told.store.webhook_books.save(WebhookBook(1, webhooks))

    def create(_: int) -> bool:
        try:
            told.webhook()
        except InvalidRequest:
            return False
        return True

    assert in_threads(create).count(True) == 1


def test_a_url_that_leads_inside_is_refused(told: Told) -> None:
    service = replace(told.webhooks, egress=replace(told.webhooks.egress, allow=()))
    for url in ("http://example.com/", "https://127.0.0.1/", "https://10.0.0.1/", "https://[::1]/", "ftp://a.example/"):
        with pytest.raises(ValidationFailed):
            service.create(NewWebhook(url, ("*",)), None, None)


def test_a_changed_name_that_leads_inside_gets_nothing(told: Told) -> None:
    webhook = told.webhook().webhook
    port = told.receiver.url.rpartition(":")[2].partition("/")[0]
    told.webhooks.change(webhook.id, {"url": f"https://hooks.example:{port}/"}, None, None)
    service = told.get(DeliveryService)
    service = replace(service, egress=replace(service.egress, allow=(), resolve=lambda _host, _port: ["127.0.0.1"]))
    told.register()
    told.get(Outbox).deliver_due()
    service.deliver_due()
    assert told.receiver.posted == []
    (delivery,) = told.deliveries(webhook)
    assert (delivery.status, delivery.error) == ("failed", "The URL has to lead to a public address.")


# Secrets


def test_secrets_are_sealed_again_under_a_new_secret_key(told: Told) -> None:
    made = told.webhook()
    told.webhooks.rotate_secret(made.webhook.id, None, None)
    former = SETTINGS["SECRET_KEY"]
    both = replace(told.webhooks, secrets=SecretKeys("another secret of enough length", [former]))
    assert [both.reseal(), both.reseal()] == [1, 0]
    alone = SecretKeys("another secret of enough length")
    told.register()
    told.get(Outbox).deliver_due()
    replace(told.get(DeliveryService), secrets=alone).deliver_due()
    assert verifies(made.secret, told.receiver.posted[0])


def test_without_its_secret_key_a_webhook_waits_for_a_rotation(told: Told) -> None:
    webhook = told.webhook().webhook
    other = SecretKeys("another secret of enough length")
    service = replace(told.webhooks, secrets=other)
    deliveries = replace(told.get(DeliveryService), secrets=other)
    assert service.reseal() == 0
    told.register()
    told.get(Outbox).deliver_due()
    deliveries.deliver_due()
    assert told.receiver.posted == []
    assert told.deliveries(webhook)[0].status == "failed"
    anew = service.rotate_secret(webhook.id, None, None)
    told.clock.advance(RETRIES[0].total_seconds())
    deliveries.deliver_due()
    assert verifies(anew.secret, told.receiver.posted[0])


def test_a_sealed_secret_serves_its_own_webhook_only(told: Told) -> None:
    one, other = told.webhook("user.deleted").webhook, told.webhook("user.created").webhook
    book = told.store.webhook_books.load()
    swapped = replace(book, version=book.version + 1, webhooks=(one, replace(other, secret=one.secret)))
    assert told.store.webhook_books.save(swapped)
    told.register()
    assert told.deliver() == []


def claim_in_process(store: Store, number: int, round_: int) -> int:
    """Claim whatever is due of the one webhook; how many deliveries this process got."""
    del number
    (webhook,) = store.webhook_books.load().webhooks
    claimed = 0
    for delivery in store.deliveries.due(webhook.id, NOW, 100):
        until = NOW + timedelta(seconds=round_ + 1)
        claimed += store.deliveries.replace(delivery, replace(delivery, attempts=1, next_attempt_at=until))
    return claimed


def test_of_processes_that_claim_at_once_one_gets_each_delivery(store: Store, in_processes: InProcesses) -> None:
    webhook = a_webhook()
    assert store.webhook_books.save(WebhookBook(1, (webhook,)))
    for _ in range(10):
        store.deliveries.add(a_delivery(webhook.id))
    rounds = in_processes(claim_in_process)
    assert sum(sum(claims) for claims in rounds) == 10


def test_a_user_of_the_former_version_is_told_like_any_other(told: Told) -> None:
    told.webhook("user.updated")
    account = Account(a_user(), HASH)
    told.store.users.add(account)
    ann = session_of(told.wired, account.user.id)
    told.get(ProfileService).change(ann, Changes(name="Another", renames=True), Device("192.0.2.1", ""))
    assert told.deliver() == ["user.updated"]
