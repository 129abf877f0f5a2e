"""An identifier in a path has one form, and whatever else stands there is not found."""

from __future__ import annotations

from uuid import UUID

import pytest
from werkzeug.exceptions import NotFound

from app import config
from app.controllers import ENDPOINTS
from app.models.identifiers import new_id
from app.web.application import Application
from tests.api.service import SETTINGS

ID = "019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7a"


@pytest.fixture
def application() -> Application:
    application = Application("app", config.load(SETTINGS | {"DATABASE_URL": "sqlite:///unused.db"}, dotenv=None))
    for declared in ENDPOINTS:
        application.add_url_rule(declared.path, declared.shown, lambda **_: "", methods=[declared.method])
    return application


@pytest.mark.parametrize("folder", ["/auth/sessions", "/api/products"])
def test_an_identifier_that_was_given_out_is_found(application: Application, folder: str) -> None:
    for identifier in (ID, new_id()):
        _, found = application.url_map.bind("localhost").match(f"{folder}/{identifier}", "DELETE")
        assert list(found.values()) == [identifier]


@pytest.mark.parametrize("folder", ["/auth/sessions", "/api/products"])
@pytest.mark.parametrize(
    "written",
    [
        f"{ID} ",
        f" {ID}",
        f"{ID}\t",
        f"{ID}\n",
        f"{ID}\0",
        ID.upper(),
        UUID(ID).hex,
        f"{{{ID}}}",
        f"{ID}x",
        ID[:-1],
        "x",
    ],
)
def test_an_identifier_in_any_other_form_is_not_found(application: Application, folder: str, written: str) -> None:
    with pytest.raises(NotFound):
        application.url_map.bind("localhost").match(f"{folder}/{written}", "DELETE")


def test_every_part_of_a_path_is_an_identifier_or_the_name_of_a_page_or_a_file() -> None:
    names = {name for declared in ENDPOINTS for name in declared.path.split("/") if name.startswith("<")}
    assert {name for name in names if not name.endswith("_id>")} == {"<code>", "<name>"}
