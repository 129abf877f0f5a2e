"""Every failure becomes a reply of the same form, which tells the client what it may know."""

from __future__ import annotations

import errno
import os
import re
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import pytest
from flask import abort
from structlog.testing import capture_logs
from werkzeug.exceptions import default_exceptions

from app.health.views import Ping
from app.platform.errors import CATALOGUE, Failure, FieldError, Unavailable, ValidationFailed
from app.web.endpoint import endpoint
from app.web.guard import public
from tests.unit.web.serving import document, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from werkzeug.test import TestResponse

PROBLEM_JSON = "application/problem+json"


def reply(raise_it: Callable[[], NoReturn], **headers: str) -> TestResponse:
    """The reply to a request in which this is raised."""
    app = serving(PUBLIC_URL="https://auth.example.com")
    app.add_url_rule("/it", view_func=raise_it, methods=["GET"], endpoint="it")
    return app.test_client().get("/it", headers={name.replace("_", "-"): value for name, value in headers.items()})


def raising(error: Exception, cause: Exception | None = None) -> Callable[[], NoReturn]:
    def raise_it() -> NoReturn:
        raise error from cause

    return raise_it


@pytest.mark.parametrize("failure", CATALOGUE.values(), ids=CATALOGUE.keys())
def test_a_failure_has_the_envelope_with_its_status_code_and_help(failure: type[Failure]) -> None:
    response = reply(raising(failure()))

    assert response.status_code == failure.status
    assert response.content_type == "application/json"
    assert response.get_json() == {
        "status": "error",
        "code": failure.code,
        "message": failure.message,
        "help": f"https://auth.example.com/errors/{failure.code}",
        "request_id": response.headers["X-Request-ID"],
    }


@pytest.mark.parametrize("failure", CATALOGUE.values(), ids=CATALOGUE.keys())
def test_a_client_that_accepts_rfc_9457_gets_the_same_failure_in_that_form(failure: type[Failure]) -> None:
    response = reply(raising(failure("In other words.")), Accept=PROBLEM_JSON)

    assert response.status_code == failure.status
    assert response.content_type == PROBLEM_JSON
    assert response.get_json() == {
        "type": f"https://auth.example.com/errors/{failure.code}",
        "title": failure.message,
        "status": failure.status,
        "detail": "In other words.",
        "code": failure.code,
        "request_id": response.headers["X-Request-ID"],
    }


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("text/html", "application/json"),
        ("application/problem+json, application/json", "application/json"),
        ("application/json;q=0.5, application/problem+json", PROBLEM_JSON),
        ("application/problem+json;q=0.5, application/json", "application/json"),
        ("application/problem+json, */*;q=0.1", PROBLEM_JSON),
        ("APPLICATION/PROBLEM+JSON", PROBLEM_JSON),
        ("\xff;;;q=x,,", "application/json"),
    ],
)
def test_the_form_is_the_one_that_the_client_prefers(accept: str, content_type: str) -> None:
    assert reply(raising(Unavailable()), Accept=accept).content_type == content_type


def test_wrong_fields_are_listed_in_both_forms() -> None:
    fields = (FieldError("password", "too_short", "Too short."), FieldError("x", "unknown_field", "No such field."))
    expected = [
        {"field": "password", "code": "too_short", "message": "Too short."},
        {"field": "x", "code": "unknown_field", "message": "No such field."},
    ]
    for accept in ("application/json", PROBLEM_JSON):
        assert reply(raising(ValidationFailed(fields=fields)), Accept=accept).get_json()["errors"] == expected


@pytest.mark.parametrize("failure", CATALOGUE.values(), ids=CATALOGUE.keys())
def test_a_401_challenges_as_rfc_6750_says_and_nothing_else_does(failure: type[Failure]) -> None:
    challenge = reply(raising(failure())).headers.get("WWW-Authenticate")

    if failure.status != 401:
        assert challenge is None
    elif failure.code in {"missing_token", "invalid_credentials", "invalid_login_token"}:
        assert challenge == "Bearer"
    elif failure.code == "insufficient_user_authentication":
        assert challenge == 'Bearer error="insufficient_user_authentication"'  # RFC 9470
    else:
        assert challenge == f'Bearer error="invalid_token", error_description="{failure.message}"'
        # RFC 6750 section 3: no quote, no backslash, nothing beyond ASCII.
        assert re.fullmatch(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+", failure.message)


@pytest.mark.parametrize("failure", CATALOGUE.values(), ids=CATALOGUE.keys())
def test_a_429_and_a_503_say_when_to_retry_and_nothing_else_does(failure: type[Failure]) -> None:
    again = [reply(raising(failure(retry_after=seconds))).headers.get("Retry-After") for seconds in (None, 0, 1, 86400)]

    assert again == (["1", "1", "1", "86400"] if failure.status in {429, 503} else [None] * 4)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "invalid_request"),
        (404, "not_found"),
        (413, "payload_too_large"),
        (415, "unsupported_media_type"),
        (500, "internal_error"),
    ],
)
def test_errors_raised_by_flask_have_the_same_form(status: int, code: str) -> None:
    response = reply(lambda: abort(status))

    assert (response.status_code, response.get_json()["code"]) == (status, code)


@pytest.mark.parametrize("status", [status for status in default_exceptions if status not in {404, 405, 413, 415}])
def test_any_other_refusal_of_flask_stays_the_client_s_fault_or_ours(status: int) -> None:
    response = reply(lambda: abort(status))

    ours = status >= 500
    assert response.status_code == (500 if ours else 400)
    assert response.get_json()["code"] == ("internal_error" if ours else "invalid_request")
    assert "contradicts" not in response.get_json()["message"]


@pytest.mark.parametrize("host", ["x" * 64, "x" * 64 + ".example.com", "a..b", "ä" * 10, ".", "[::1", "a:b:c"])
def test_an_impossible_host_is_the_client_s_fault(host: str) -> None:
    app = serving(FLASK_ENV="testing")
    app.add_url_rule("/it", view_func=lambda: "", methods=["GET"], endpoint="it")
    response = app.test_client().get("/it", environ_overrides={"HTTP_HOST": host})

    assert response.status_code == 400
    assert response.get_json()["code"] in {"invalid_request", "invalid_host"}


def test_a_path_that_does_not_take_a_method_names_those_that_it_takes() -> None:
    app = serving()
    app.add_url_rule("/it", view_func=lambda: "", methods=["GET", "POST"], endpoint="it")
    for method in ("DELETE", "TRACE", "PROPFIND"):
        response = app.test_client().open("/it", method=method)
        assert response.get_json()["code"] == "method_not_allowed"
        assert response.headers["Allow"] == "GET, HEAD, OPTIONS, POST"


def test_a_path_without_an_endpoint_is_not_found_in_any_method() -> None:
    for method in ("GET", "POST", "OPTIONS", "TRACE"):
        assert serving().test_client().open("/nowhere", method=method).get_json()["code"] == "not_found"


@pytest.mark.parametrize(
    "fault", [RuntimeError("planted"), KeyError("planted"), RecursionError(), UnicodeError("planted")]
)
def test_a_fault_is_logged_and_not_shown_to_the_client(fault: Exception) -> None:
    with capture_logs() as logged:
        response = reply(raising(fault))

    assert response.status_code == 500
    assert response.get_json()["code"] == "internal_error"
    assert "planted" not in response.text
    event: Any = next(event for event in logged if event["event"] == "fault")
    assert event["exc_info"][1] is fault
    assert event["request_id"] == response.headers["X-Request-ID"]


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_without_file_descriptors_the_service_is_unavailable_and_not_at_fault(number: int) -> None:
    with capture_logs() as logged:
        response = reply(raising(OSError(number, os.strerror(number))))

    assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
    assert [event["detail"] for event in logged if event["event"] == "unavailable"] == [
        f"[Errno {number}] {os.strerror(number)}"
    ]


@pytest.mark.parametrize(
    "want", [MemoryError(), RuntimeError("can't start new thread"), OSError(errno.ENOMEM, "Cannot allocate memory")]
)
def test_without_memory_the_service_is_unavailable_and_not_at_fault(want: Exception) -> None:
    response = reply(raising(want))
    assert (response.status_code, response.headers["Retry-After"]) == (503, "1")


def test_the_cause_of_an_internal_failure_is_logged_and_not_shown() -> None:
    with capture_logs() as logged:
        response = reply(raising(Unavailable(), OSError("planted " + "x" * 1000)))

    assert "planted" not in response.text
    event = next(event for event in logged if event["event"] == "unavailable")
    assert event["cause"] == "OSError"
    assert event["detail"].startswith("planted")
    assert len(event["detail"]) == 500
    assert event["request_id"] == response.headers["X-Request-ID"]


def test_of_nested_causes_the_first_is_logged_without_a_drivers_further_lines() -> None:
    told = Unavailable("The store does not answer.")
    told.__cause__ = OSError("refused\nDETAIL: Key (email)=(ann@example.com)")
    with capture_logs() as logged:
        reply(raising(Unavailable(), told))

    event = next(event for event in logged if event["event"] == "unavailable")
    assert (event["cause"], event["detail"]) == ("OSError", "refused")


def test_the_cause_of_a_clients_failure_is_not_logged() -> None:
    with capture_logs() as logged:
        reply(raising(ValidationFailed(), ValueError("planted")))
        reply(raising(Unavailable()))

    assert [event["event"] for event in logged] == ["request", "request"]


@pytest.fixture
def step_up() -> Iterator[type[Failure]]:
    """A failure with a challenge of its own, as long as the test lasts."""

    class StepUp(Failure):
        code = "step_up_of_a_test"
        status = 403
        message = "Log in again."
        carries: ClassVar = {"WWW-Authenticate": "The challenge of RFC 9470."}

        @property
        def headers(self) -> dict[str, str]:
            return {"WWW-Authenticate": f'Bearer max_age="{self.retry_after}"', "X-Undeclared": "1"}

    yield StepUp
    del CATALOGUE[StepUp.code]


def test_a_failure_carries_the_headers_that_it_declares_and_no_others(step_up: type[Failure]) -> None:
    for accept in ("application/json", PROBLEM_JSON):
        response = reply(raising(step_up(retry_after=600)), Accept=accept)
        assert response.headers["WWW-Authenticate"] == 'Bearer max_age="600"'
        assert "X-Undeclared" not in response.headers


def test_the_openapi_document_shows_the_headers_that_a_failure_carries(step_up: type[Failure]) -> None:
    declared = endpoint("GET /x", access=public, returns=Ping, raises=(step_up,))(lambda _call: Ping())
    responses = document(declared)["paths"]["/x"]["get"]["responses"]

    assert responses["403"]["headers"]["WWW-Authenticate"] == {
        "description": "The challenge of RFC 9470.",
        "schema": {"type": "string"},
    }
    assert "WWW-Authenticate" not in responses["400"]["headers"]
