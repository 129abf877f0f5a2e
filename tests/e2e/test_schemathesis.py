"""schemathesis asks what the OpenAPI document allows and what it does not, and holds every answer to the document."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from hypothesis import settings

from tests.e2e.clients import PATIENCE, me, register
from tests.e2e.settings import in_testing
from tests.servers.process import own_folder
from tests.servers.service import ROOT, Service

# Marked as generated input, for `make fuzz`; with the profile `thorough` it takes hours.
pytestmark = [pytest.mark.hypothesis, pytest.mark.timeout(18 * settings().max_examples)]

CONFIGURATION = Path(__file__).parent / "schemathesis.toml"
EMAIL, PASSWORD = "caller@example.com", "a password that is not an example"
"""Of the user whom schemathesis logs in as; the configuration names them, too."""


# A member gets other answers than an admin where a permission decides, and nowhere else.
@pytest.mark.parametrize(
    ("role", "only"),
    [("admin", []), ("member", ["--include-path-regex", "^/(auth/verify|auth/users|api/products)"])],
    ids=["admin", "member"],
)
def test_every_answer_is_as_the_document_says(role: str, only: list[str], store: dict[str, str]) -> None:
    # Requests that are made up for each endpoint, beside those for every limit in the document. The same at each run:
    # what more of them would find, `make fuzz` finds with hundreds.
    examples = settings().max_examples // 5
    # Without limits: they would answer 429 to most of it.
    chosen = in_testing(
        RATE_LIMITS="off",
        METRICS_ALLOW="127.0.0.1",
        IMPERSONATION="on",
        LOGIN_BY_MAIL="on",
        EGRESS_ALLOW="127.0.0.1",
        **store,
    )
    with own_folder() as folder, Service(chosen, folder=folder) as server:
        register(server.base_url, "ann")
        make_caller(role, chosen, folder)
        configuration = with_existing(folder, server.base_url)
        done = subprocess.run(
            [
                Path(sys.executable).with_name("schemathesis"), "--config-file", configuration,
                "run", f"{server.base_url}/openapi.json", "--url", server.base_url,
                "--max-examples", str(examples), "--seed", "1", "--no-color",
                *only,
            ],
            cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            check=False,
        )  # fmt: skip

        assert done.returncode == 0, done.stdout


def make_caller(role: str, settings: dict[str, str], folder: Path) -> None:
    """The user whom schemathesis logs in as (schemathesis.toml), made with `flask users create`."""
    subprocess.run(
        [
            sys.executable, "-m", "flask", "--app", "app.wsgi", "users", "create",
            "--email", EMAIL, "--role", role, "--password-stdin",
        ],
        input=PASSWORD.encode(),
        cwd=folder, env={"PATH": "", "PYTHONPATH": str(ROOT), **settings}, check=True, capture_output=True,
    )  # fmt: skip


def with_existing(folder: Path, base_url: str) -> Path:
    """The configuration, with the identifiers of a user and a service account that are there.

    A caller who may not make a service account gets the user's for both.
    """
    user = me(base_url, register(base_url, "bob")).json()["data"]["user"]["id"]
    login = httpx.post(f"{base_url}/auth/login", json={"email": EMAIL, "password": PASSWORD}, timeout=PATIENCE)
    authorization = {"Authorization": f"Bearer {login.json()['data']['access_token']}"}
    named = {"name": "Nightly reports", "roles": ["member"]}
    made = httpx.post(f"{base_url}/admin/service-accounts", json=named, headers=authorization, timeout=PATIENCE)
    account = made.json()["data"]["service_account"]["id"] if made.is_success else user
    existing = f'[dictionaries.users]\nvalues = ["{user}"]\n\n[dictionaries.accounts]\nvalues = ["{account}"]\n'
    path = folder / CONFIGURATION.name
    path.write_text(f"{CONFIGURATION.read_text()}\n{existing}")
    return path
