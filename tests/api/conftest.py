"""The service on SQLite, and what depends on the store also on MongoDB's protocol. A module shares one database."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from app import config
from app.security import egress
from tests.api.browser import Browser
from tests.api.databases import Database, MongoDatabase, SqliteDatabase
from tests.api.document_site import Site
from tests.api.logs import logging_as
from tests.api.oauth_flow import OAuthClient, a_client, name_resources
from tests.api.providers import Files
from tests.api.service import SETTINGS, Account, FakeClock, Service, Start, new_names, running
from tests.contract.patience import be_patient
from tests.servers.openid import Provider

ON_MONGODB_TOO = {
    "test_account",
    "test_api_keys",
    "test_administration",
    "test_administration_search",
    "test_audit",
    "test_backchannel_logout",
    "test_consent_page",
    "test_count",
    "test_deletion_undo",
    "test_email_change",
    "test_factor_recovery",
    "test_device_flow",
    "test_dpop",
    "test_enrol_page",
    "test_grants",
    "test_hidden_accounts",
    "test_client_assertions",
    "test_client_documents",
    "test_client_registration",
    "test_refused_client_documents",
    "test_clients",
    "test_catalogue",
    "test_impersonation",
    "test_invitations",
    "test_key_rotation",
    "test_known_devices",
    "test_login",
    "test_oauth_logout",
    "test_login_throttle",
    "test_oauth_authorize",
    "test_oauth_pairs",
    "test_oauth_explain",
    "test_oauth_token",
    "test_client_sessions",
    "test_issued_tokens",
    "test_passkeys",
    "test_mail_login",
    "test_products",
    "test_races",
    "test_recovery",
    "test_refresh",
    "test_registration",
    "test_required_factors",
    "test_review_findings",
    "test_roles",
    "test_second_factors",
    "test_secret_rotation",
    "test_service_accounts",
    "test_sessions",
    "test_sign_in",
    "test_social_kinds",
    "test_social_login",
    "test_social_pairs",
    "test_token_exchange",
    "test_trusted_devices",
    "test_users",
    "test_verification",
    "test_webhooks",
}
"""The modules about what is stored, and how it changes. tests/contract holds each operation to every store."""

TRY_THE_LIMITS = {"test_store_down", "test_oauth_store_down"}
"""The modules in which the store does not answer in time."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "new_database" in metafunc.fixturenames and metafunc.definition.path.stem in ON_MONGODB_TOO:
        metafunc.parametrize("new_database", ["mongodb", "sqlite"], indirect=True, scope="module")


@pytest.fixture(scope="module")
def new_database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Database]:
    """Makes empty databases; those on SQLite have the schema."""
    if getattr(request, "param", "sqlite") == "mongodb":
        server = request.getfixturevalue("mongo_server")
        return lambda: MongoDatabase(server.create_database())
    migrated: Path = request.getfixturevalue("migrated")
    return lambda: SqliteDatabase(Path(shutil.copy(migrated, tmp_path_factory.mktemp("sqlite"))))


@pytest.fixture(scope="module")
def start(new_database: Callable[[], Database]) -> Iterator[Start]:
    """Starts instances, which end with the module."""
    with ExitStack() as stack:

        def start(*, on: Service | None = None, **settings: str) -> Service:
            database, clock = (new_database(), FakeClock()) if on is None else (on.database, on.clock)
            return stack.enter_context(running(database, clock, **settings))

        yield start


@pytest.fixture(scope="module")
def service(start: Start) -> Service:
    """The instance of this module, with the default settings."""
    return start()


@pytest.fixture
def ann(service: Service) -> Account:
    """A new user."""
    return service.register()


@pytest.fixture(scope="module")
def admin(service: Service) -> Account:
    """An administrator of the instance of this module."""
    return service.administrator()


@pytest.fixture
def app(service: Service) -> OAuthClient:
    """A public client of a third party."""
    name_resources(service)
    return a_client(service)


@pytest.fixture
def web(service: Service) -> OAuthClient:
    """A client of a third party that has a secret."""
    name_resources(service)
    return a_client(service, kind="confidential")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, upstream: Provider) -> Files:
    return Files(tmp_path_factory.mktemp("providers"), upstream)


@pytest.fixture
def upstream_as_usual(upstream: Provider, service: Service) -> None:
    """Undoes what a test changed at the provider, and has it read the clock of the service."""
    upstream.reset()
    upstream.now = lambda: service.clock().timestamp()


@pytest.fixture
def sub() -> str:
    """Somebody at the provider, whom no other test knows."""
    return new_names()[1]


@pytest.fixture
def browser(service: Service, ann: Account) -> Browser:
    """Ann's, who is logged in."""
    browser = Browser(service)
    assert browser.log_in(ann.email, ann.password).status_code == 303
    return browser


@pytest.fixture(scope="module", autouse=True)
def patience(request: pytest.FixtureRequest) -> Iterator[None]:
    """Has the service wait for its store however busy the machine is, but where those limits are tried."""
    with pytest.MonkeyPatch.context() as patch:
        if request.path.stem not in TRY_THE_LIMITS:
            be_patient(patch.setattr)
        yield


@pytest.fixture(scope="module", autouse=True)
def log_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What is logged while the tests of a module run, in the form of production."""
    file = tmp_path_factory.mktemp("log") / "latchkey.log"
    with logging_as(config.load(SETTINGS | {"LOG_FILE": str(file)}, dotenv=None)):
        yield file


@pytest.fixture
def new_site(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Site]]:
    """Sets sites up, whose certificates this process trusts."""
    sites: list[Site] = []

    def new_site() -> Site:
        site = Site(tmp_path_factory.mktemp("site"))
        sites.append(site)
        trusted = tmp_path_factory.mktemp("trusted") / "all.crt"
        trusted.write_bytes(b"".join(each.certificate.read_bytes() for each in sites))
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        egress._tls.cache_clear()  # noqa: SLF001 - as in a new process
        return site

    yield new_site
    egress._tls.cache_clear()  # noqa: SLF001 - see above
    for site in sites:
        site.server.close()


@pytest.fixture
def site(new_site: Callable[[], Site]) -> Site:
    return new_site()
