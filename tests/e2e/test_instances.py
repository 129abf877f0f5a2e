"""Several instances on one store: they start at once, share what they do, and lose nothing when a worker dies."""

import os
import signal
import stat
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from pymongo import MongoClient
from sqlalchemy import NullPool, create_engine, update

from app.accounts.sql import USERS
from tests.e2e.clients import PATIENCE, clients, log_in, me, register, registering
from tests.e2e.settings import PASSWORD, in_testing
from tests.servers.process import own_folder, wait_until
from tests.servers.service import Service

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.parametrize("module_store", ["sqlite", "mongodb", "postgresql", "mariadb"], indirect=True),
]


@dataclass(frozen=True)
class Instances:
    """Three of them, which were started at once on an empty store."""

    store: dict[str, str]
    started: list[Service]


@pytest.fixture(scope="module")
def instances(module_store: dict[str, str]) -> Iterator[Instances]:
    settings = in_testing(
        WEB_CONCURRENCY="2",
        PUBLIC_URL="https://auth.example.com",
        BOOTSTRAP_ADMIN_EMAIL="boss@example.com",
        **module_store,
    )
    with ExitStack() as running:
        started = [Service(settings, folder=running.enter_context(own_folder())) for _ in range(3)]
        for instance in started:
            running.callback(instance.stop)
        with ThreadPoolExecutor(len(started)) as pool:
            list(pool.map(Service.start, started))
        yield Instances(module_store, started)


# tests/contract lets sixteen threads make keys and invitations at once; these are processes, and make the schema, too.
def test_instances_that_start_at_once_share_one_schema_and_one_key_and_invite_one_administrator(
    instances: Instances,
) -> None:
    key_sets = [
        httpx.get(f"{instance.base_url}/.well-known/jwks.json", timeout=PATIENCE).json()
        for instance in instances.started
    ]
    assert len(key_sets[0]["keys"]) == 1
    assert all(key_set == key_sets[0] for key_set in key_sets)

    files = [instance.folder / "instance/bootstrap_link" for instance in instances.started]
    (file,) = [file for file in files if file.exists()]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    token = file.read_text().strip().partition("/invitation#")[2]
    logs = "".join(instance.log() for instance in instances.started)
    assert logs.count("first administrator invited") == 1
    assert token not in logs

    answer = {"token": token, "password": PASSWORD}
    replies = [
        httpx.post(f"{instance.base_url}/auth/invitation", json=answer, timeout=PATIENCE)
        for instance in instances.started
    ]
    assert [reply.status_code for reply in replies] == [200, 422, 422]
    user = replies[0].json()["data"]["user"]
    assert (user["email"], user["email_verified"], user["roles"]) == ("boss@example.com", True, ["admin"])


def test_what_one_instance_does_holds_on_the_others_at_once(instances: Instances) -> None:
    one, other, _ = instances.started
    ann = register(one.base_url, "ann")
    bob = register(other.base_url, "bob")
    ann_too = {"username": "Ann", "password": PASSWORD}
    taken = httpx.post(f"{other.base_url}/auth/register", json=ann_too, timeout=PATIENCE)
    assert (taken.status_code, taken.json()["code"]) == (409, "username_taken")
    assert log_in(other.base_url, "ann").status_code == 200
    for instance in instances.started:
        assert me(instance.base_url, ann).json()["data"]["user"]["username"] == "ann"
        assert me(instance.base_url, bob).json()["data"]["user"]["username"] == "bob"

    change_user(instances.store, "ann", {"auth_epoch": 1})  # as the end of all sessions does
    change_user(instances.store, "bob", {"status": "disabled"})

    for instance in instances.started:
        for token in (ann, bob):
            refused = me(instance.base_url, token)
            assert (refused.status_code, refused.json()["code"]) == (401, "session_ended")
        assert log_in(instance.base_url, "bob").json()["code"] == "account_disabled"
        again = log_in(instance.base_url, "ann").json()["data"]["access_token"]
        assert me(other.base_url, again).status_code == 200


@pytest.mark.faults("worker killed")
def test_nothing_that_was_acknowledged_is_lost_when_a_worker_is_killed(instances: Instances) -> None:
    server = instances.started[0]
    wait_until(lambda: len(server.worker_pids()) == 2, 30)
    with clients(server.port, [registering(f"user-{number}") for number in range(8)]) as load:
        load.wait_for_more()
        killed = server.worker_pids()[0]
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: len(server.worker_pids()) == 2 and killed not in server.worker_pids(), 30)
        load.wait_for_more()
        load.stop()

    assert load.refused == 0
    # On a busy machine a writer may be told to retry: SQLite takes one at a time.
    assert load.statuses("/auth/register") - {503} == {201}
    names = [str((request.content or {})["username"]) for request, status in load.answered if status == 201]
    with httpx.Client(base_url=server.base_url, timeout=PATIENCE) as client:
        for name in names:
            credentials = {"username": name, "password": PASSWORD}
            assert client.post("/auth/login", json=credentials).status_code == 200


def change_user(store: dict[str, str], username: str, changes: Mapping[str, object]) -> None:
    """Write to a user directly, without the service."""
    if "MONGO_URI" in store:
        with MongoClient[dict[str, Any]](store["MONGO_URI"]) as client:
            client.get_default_database()["users"].update_one({"username": username}, {"$set": changes})
    else:
        engine = create_engine(store["DATABASE_URL"], poolclass=NullPool)
        with engine.begin() as connection:
            connection.execute(update(USERS).where(USERS.c.username == username).values(changes))
