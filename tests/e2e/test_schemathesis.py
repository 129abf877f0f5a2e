"""schemathesis asks what the OpenAPI document allows and what it does not, and holds every answer to the document."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from tests.e2e.clients import register
from tests.e2e.settings import in_testing
from tests.servers.process import own_folder
from tests.servers.service import ROOT, Service

pytestmark = pytest.mark.timeout(900)

CONFIGURATION = Path(__file__).parent / "schemathesis.toml"


# A member gets other answers than an admin where a permission decides, and nowhere else.
@pytest.mark.parametrize(
    ("role", "only"),
    [("admin", []), ("member", ["--include-path-regex", "^/(auth/verify|auth/users|api/products)"])],
    ids=["admin", "member"],
)
def test_every_answer_is_as_the_document_says(role: str, only: list[str], store: dict[str, str]) -> None:
    # Requests that are made up for each endpoint, beside those for every limit in the document.
    examples = settings().max_examples // 2
    # Without limits: they would answer 429 to most of it.
    chosen = in_testing(RATE_LIMITS="off", METRICS_ALLOW="127.0.0.1", **store)
    with own_folder() as folder, Service(chosen, folder=folder) as server:
        register(server.base_url, "ann")
        make_caller(role, chosen, folder)
        done = subprocess.run(
            [
                Path(sys.executable).with_name("schemathesis"), "--config-file", CONFIGURATION,
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
            "--email", "caller@example.com", "--role", role, "--password-stdin",
        ],
        input=b"a password that is not an example",
        cwd=folder, env={"PATH": "", "PYTHONPATH": str(ROOT), **settings}, check=True, capture_output=True,
    )  # fmt: skip
