"""What every store promises about clients, their catalogue, and initial access tokens."""

from dataclasses import replace

import pytest

from app.oauth.catalogue.model import CatalogueBook, CatalogueBooks, Resource, Scope
from app.oauth.clients.model import Client, Clients, ClientSecret, Workload
from app.oauth.registration.model import RegistrationToken, RegistrationTokens
from app.platform.identifiers import new_id
from tests.contract.entities import DAY, MINUTE, NOW
from tests.contract.races import THREADS, InThreads
from tests.stores import Store


@pytest.fixture
def clients(store: Store) -> Clients:
    return store.repository(Clients)


@pytest.fixture
def tokens(store: Store) -> RegistrationTokens:
    return store.repository(RegistrationTokens)


@pytest.fixture
def books(store: Store) -> CatalogueBooks:
    return store.repository(CatalogueBooks)


def a_client(**fields: object) -> Client:
    return replace(Client(id=new_id(), name="The shop", kind="public", created_at=NOW), **fields)  # type: ignore[arg-type]


WHOLE = Client(
    id=new_id(), name="Läden", kind="confidential", created_at=NOW,
    redirect_uris=("https://shop.example/cb", "com.example.shop:/cb"),
    post_logout_redirect_uris=("https://shop.example/bye",), scopes=("openid", "files:read"),
    resources=("https://files.example/",),
    secrets=(ClientSecret(new_id(), "a" * 64, NOW), ClientSecret(new_id(), "b" * 64, NOW, NOW + DAY)),
    first_party=True, require_second_factor=True, session_seconds=3600,
    backchannel_logout_uri="https://shop.example/ended", token_exchange=True, created_by=new_id(),
    jwks='{"keys":[]}', jwks_uri="https://shop.example/keys", workload=Workload("https://a.example", "b", "c"),
    registered_with="c" * 64, revision=7,
)  # fmt: skip


def test_a_client_comes_back_as_it_was_added(clients: Clients) -> None:
    for client in (a_client(), WHOLE, a_client(scopes=(), resources=()), a_client(scopes=("openid",))):
        clients.add(client)
        assert clients.find(client.id) == client
    assert clients.find(new_id()) is None


def test_clients_come_page_by_page_oldest_first(clients: Clients) -> None:
    added = [a_client(name=str(number)) for number in range(5)]
    for client in reversed(added):
        clients.add(client)
    assert clients.page(after=None, limit=2) == added[:2]
    assert clients.page(after=added[1].id, limit=9) == added[2:]
    assert clients.page(after=added[4].id, limit=9) == []


def test_a_client_is_saved_only_over_the_revision_before(clients: Clients) -> None:
    client = a_client(session_seconds=60, resources=("https://a.example/",))
    clients.add(client)
    changed = replace(client, name="Another", session_seconds=None, resources=None, revision=1)
    assert clients.save(changed)
    assert not clients.save(replace(client, name="Late", revision=1))
    assert not clients.save(replace(client, name="Early", revision=3))
    assert clients.find(client.id) == changed
    assert not clients.save(a_client(revision=1))


def test_a_client_is_removed_once_and_is_not_saved_afterwards(clients: Clients) -> None:
    client, other = a_client(), a_client()
    clients.add(client)
    clients.add(other)
    assert clients.remove(client.id)
    assert not clients.remove(client.id)
    assert not clients.save(replace(client, revision=1))
    assert clients.page(after=None, limit=9) == [other]


def test_the_origins_of_all_redirect_uris_are_known(clients: Clients) -> None:
    assert clients.origins() == frozenset()
    clients.add(a_client(redirect_uris=("https://a.example/cb", "https://a.example/other", "com.example.a:/cb")))
    clients.add(a_client(redirect_uris=("http://127.0.0.1:7000/cb", "https://b.example:8443/cb")))
    clients.add(a_client())
    assert clients.origins() == {"https://a.example", "http://127.0.0.1:7000", "https://b.example:8443"}


def test_the_store_knows_whether_a_client_wants_to_be_told_of_logouts(clients: Clients) -> None:
    client = a_client()
    clients.add(client)
    assert not clients.have_logout()
    clients.save(replace(client, backchannel_logout_uri="https://a.example/ended", revision=1))
    assert clients.have_logout()
    clients.save(replace(client, revision=2))
    assert not clients.have_logout()


def test_of_all_that_save_a_client_at_once_one_does(clients: Clients, in_threads: InThreads) -> None:
    client = a_client()
    clients.add(client)
    for revision in range(1, 5):

        def save(number: int, revision: int = revision) -> bool:
            return clients.save(replace(client, name=str(number), revision=revision))

        saved = in_threads(save)
        assert saved.count(True) == 1
        found = clients.find(client.id)
        assert found == replace(client, name=str(saved.index(True)), revision=revision)


def test_of_all_that_delete_a_client_at_once_one_does(clients: Clients, in_threads: InThreads) -> None:
    client = a_client()
    clients.add(client)
    assert in_threads(lambda _: clients.remove(client.id)).count(True) == 1


def test_the_catalogue_comes_back_as_it_was_saved_and_only_over_the_version_before(books: CatalogueBooks) -> None:
    assert books.load() == CatalogueBook()
    first = CatalogueBook(1, (Scope("files:read", "Read your files"),))
    resources = (Resource("https://a.example/", "A", ("files:read",)), Resource("https://b.example/", "B"))
    second = CatalogueBook(2, first.scopes, (*resources, Resource("https://c.example/", "C", ())))
    for book in (first, second, CatalogueBook(3)):
        assert books.save(book)
        assert not books.save(book)
        assert books.load() == book


def test_of_all_that_save_the_catalogue_at_once_one_does(books: CatalogueBooks, in_threads: InThreads) -> None:
    for version in (1, 2, 3):

        def save(number: int, version: int = version) -> bool:
            return books.save(CatalogueBook(version, (Scope(f"s{number}", "S"),)))

        saved = in_threads(save)
        assert saved.count(True) == 1
        assert books.load() == CatalogueBook(version, (Scope(f"s{saved.index(True)}", "S"),))


def a_token(uses: int = 1, **fields: object) -> RegistrationToken:
    token = RegistrationToken(new_id().replace("-", "") * 2, new_id(), NOW, NOW + MINUTE, uses)
    return replace(token, **fields)  # type: ignore[arg-type]


def test_an_initial_token_is_good_for_its_uses_in_its_time(tokens: RegistrationTokens) -> None:
    token, late = a_token(2), a_token()
    tokens.add(token)
    tokens.add(late)
    assert not tokens.use("f" * 64, NOW)
    assert not tokens.use(late.id, late.expires_at)
    assert [tokens.use(token.id, NOW) for _ in range(3)] == [True, True, False]


def test_of_all_that_use_an_initial_token_at_once_as_many_may_as_it_has_uses(
    tokens: RegistrationTokens, in_threads: InThreads
) -> None:
    for uses in (1, 5):
        token = a_token(uses)
        tokens.add(token)

        def use(_number: int, token: RegistrationToken = token) -> bool:
            return tokens.use(token.id, NOW)

        assert in_threads(use).count(True) == uses < THREADS


def test_expired_initial_tokens_are_deleted_a_few_at_a_time(tokens: RegistrationTokens) -> None:
    for _ in range(3):
        tokens.add(a_token())
    tokens.add(a_token(expires_at=NOW + DAY))
    assert tokens.delete_expired(NOW, 9) == 0
    assert [tokens.delete_expired(NOW + MINUTE, 2) for _ in range(3)] == [2, 1, 0]
