"""A form is declared like every other input, and so is how it is shown again when it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from app.platform.errors import CATALOGUE, EmailTaken, Failure, InvalidCode, UsernameTaken
from app.web.call import Call
from app.web.endpoint import endpoint
from app.web.exchange import current
from app.web.form import OF_FORMS, Again
from app.web.guard import authenticated, public
from app.web.input import Body
from app.web.result import File
from tests.unit.web.serving import serving

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask.testing import FlaskClient

    from tests.unit.instance import Instance

ORIGIN = {"Origin": "http://localhost:5000"}


class Wish(Body):
    """What somebody wants."""

    code: str
    email: str = ""


def kept(sent: Mapping[str, str], failure: Failure) -> dict[str, str]:
    return {} if isinstance(failure, InvalidCode) else dict(sent)


AGAIN = Again(
    "reset_password.html",
    failures=(InvalidCode,),
    still_good=kept,
    words={("code", "required"): "Type the code.", ("email", "required"): "Never."},
    facts=lambda call, _sent: {"least": call.settings.profile},
)


@endpoint("POST /reset-password", access=public, form=Wish, again=AGAIN, returns=File, raises=(UsernameTaken,))
def wish(_call: Call, form: Wish) -> File:
    """Fail as the form wants."""
    if form.code in CATALOGUE:
        raise CATALOGUE[form.code]
    return File(f"{form.code} {form.email}".encode(), "text/plain")


@endpoint("POST /plain/<name>", access=public, form=Wish, returns=File)
def plain(_call: Call, form: Wish, name: str) -> File:
    """A form that is not shown again."""
    return File(f"{name} {form.code}".encode(), "text/plain")


@endpoint("POST /mine", access=authenticated, form=Wish, returns=File)
def mine(_call: Call, form: Wish) -> File:
    """For users."""
    return File(form.code.encode(), "text/plain")


@pytest.fixture
def client(instance: Instance) -> FlaskClient:
    return serving(wish, plain, mine, wired=instance.wired).test_client()


def submit(client: FlaskClient, path: str = "/reset-password", headers: dict[str, str] = ORIGIN, **fields: str) -> Any:
    return client.post(path, data=fields, headers=headers)


def test_an_endpoint_gets_its_form_validated_and_the_parts_of_its_path(client: FlaskClient) -> None:
    assert submit(client, code="a", email="").text == "a "
    assert submit(client, "/plain/ann", code="a").text == "ann a"


def test_after_a_declared_failure_the_form_is_shown_again_with_what_is_still_good(client: FlaskClient) -> None:
    reply = submit(client, code="invalid_code", email="typed")
    assert (reply.status_code, reply.mimetype) == (422, "text/html")
    assert "This code or link is not valid." in reply.text
    assert "typed" not in reply.text
    assert 'name="new_password"' in reply.text


def test_after_a_wrong_field_the_form_is_shown_again_with_its_message(client: FlaskClient) -> None:
    reply = submit(client, email="typed", more="1")
    assert (reply.status_code, reply.mimetype) == (422, "text/html")
    assert 'value="typed"' in reply.text
    assert "Type the code." in reply.text
    assert "more: There is no such field here." in reply.text
    assert "At least testing characters." in reply.text


def test_a_failure_that_is_declared_but_not_to_be_tried_again_is_an_ordinary_failure(client: FlaskClient) -> None:
    reply = submit(client, code="username_taken")
    assert (reply.status_code, reply.get_json()["code"]) == (409, "username_taken")
    reply = submit(client, "/plain/ann", more="1")
    assert (reply.status_code, reply.get_json()["errors"][0]["field"]) == (422, "code")


def test_tests_fail_on_a_failure_that_a_form_does_not_declare(client: FlaskClient) -> None:
    with capture_logs() as logged:
        assert submit(client, code="email_taken").status_code == 500
    assert "wish does not declare email_taken" in str(logged)


def test_a_failure_that_shows_the_form_again_is_told_to_the_log_and_the_metrics_like_every_other(
    instance: Instance,
) -> None:
    ended: list[Failure | None] = []
    app = serving(wish, wired=instance.wired)

    @app.after_request
    def look(response: Any) -> Any:
        ended.append(current().failure)
        return response

    submit(app.test_client(), code="invalid_code")
    assert [type(failure) for failure in ended] == [InvalidCode]


def test_a_form_declares_the_failures_of_all_forms_and_those_after_which_it_is_shown_again() -> None:
    assert {*OF_FORMS, InvalidCode, UsernameTaken} <= set(wish.failures)
    assert EmailTaken not in wish.failures
    assert InvalidCode not in plain.raises


def test_a_form_of_another_site_or_in_json_is_refused(client: FlaskClient) -> None:
    assert submit(client, headers={"Origin": "https://evil.example"}, code="a").status_code == 403
    assert submit(client, headers={}, code="a").status_code == 403
    assert client.post("/reset-password", json={"code": "a"}, headers=ORIGIN).status_code == 415


def test_access_is_decided_before_the_form_is_looked_at(client: FlaskClient) -> None:
    for headers in (ORIGIN, {}):
        reply = submit(client, "/mine", headers=headers)
        assert (reply.status_code, reply.get_json()["code"]) == (401, "missing_token")


def test_a_declaration_that_contradicts_itself_does_not_start() -> None:
    with pytest.raises(ValueError, match="POST /x: a request has one body"):
        endpoint("POST /x", access=public, returns=File, form=Wish, body=Wish)
    with pytest.raises(ValueError, match="POST /x: there is no form to show again"):
        endpoint("POST /x", access=public, returns=File, again=AGAIN)
