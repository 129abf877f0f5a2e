"""Pasting a token and learning what is wrong with it."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.api.service import Service, Start


def explained(service: Service, token: str) -> dict[str, Any]:
    response = service.post("/auth/explain", {"token": token})
    assert response.status_code == 200, response.text
    data: dict[str, Any] = response.json["data"]
    return data


def test_a_good_token_is_accepted_and_shown(service: Service) -> None:
    account = service.register()
    explanation = explained(service, account.token)
    assert (explanation["kind"], explanation["accepted"], explanation["reason"]) == ("access_token", True, None)
    assert explanation["header"]["typ"] == "at+jwt"
    assert explanation["claims"]["sub"] == account.id


def test_an_expired_token_is_explained_as_expired(service: Service) -> None:
    account = service.register()
    service.clock.advance(900 + 30)
    assert explained(service, account.token)["reason"] == "expired"


def test_an_ended_session_is_explained_to_the_bearer_of_its_token(service: Service) -> None:
    account = service.register()
    service.post("/auth/logout", token=account.token)
    explanation = explained(service, account.token)
    assert (explanation["accepted"], explanation["reason"]) == (False, "session_ended")


def test_an_altered_token_is_explained_by_its_signature_and_not_by_its_session(service: Service) -> None:
    account = service.register()
    service.post("/auth/logout", token=account.token)
    head, _, signature = account.token.rpartition(".")
    altered = f"{head}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
    explanation = explained(service, altered)
    assert (explanation["accepted"], explanation["reason"]) == (False, "bad_signature")
    assert explanation["claims"]["sub"] == account.id


def test_a_token_of_another_service_is_explained_by_its_unknown_key(service: Service, start: Start) -> None:
    assert explained(service, start().register().token)["reason"] == "unknown_key"


def test_a_truncated_or_padded_jwt_is_malformed(service: Service) -> None:
    token = service.register().token
    for wrong in (token[:-1] + "=", token.rpartition(".")[0], token + ".x"):
        explanation = explained(service, wrong)
        assert (explanation["accepted"], explanation["reason"]) in {(None, "malformed"), (False, "malformed")}


@pytest.mark.parametrize("token", ["x", "a.b.c", "🧮", "A" * 8192])
def test_nothing_is_revealed_about_text_that_is_not_a_jwt(service: Service, token: str) -> None:
    explanation = explained(service, token)
    assert (explanation["kind"], explanation["accepted"], explanation["reason"]) == ("opaque", None, None)
    assert (explanation["header"], explanation["claims"]) == (None, None)


def test_nothing_is_revealed_about_a_refresh_token(service: Service) -> None:
    explanation = explained(service, service.register().data["refresh_token"])
    assert (explanation["kind"], explanation["accepted"]) == ("opaque", None)


def test_a_jwt_of_another_kind_is_not_an_access_token(service: Service) -> None:
    id_token = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJhbm4ifQ."
    explanation = explained(service, id_token)
    assert (explanation["kind"], explanation["accepted"], explanation["reason"]) == ("jwt", None, "wrong_type")
    assert explanation["claims"] == {"sub": "ann"}


@pytest.mark.parametrize(
    "content",
    [
        r'{"a": "\ud800"}',
        r'{"\udfff": 1}',
        '{"a": ' + "[" * 300 + "]" * 300 + "}",
        '{"a": ' + "[" * 990 + "]" * 990 + "}",
        '{"a": NaN}',
        '{"a": -Infinity}',
        '{"a": 1e999}',
        '{"a": 9223372036854775808}',
    ],
    ids=["surrogate", "surrogate in a name", "deep", "very deep", "NaN", "infinity", "huge", "long"],
)
@pytest.mark.parametrize("part", ["header", "claims"])
def test_json_that_no_reply_holds_is_malformed_wherever_it_stands(service: Service, content: str, part: str) -> None:
    plain = '{"typ":"at+jwt","alg":"ES256","kid":"x"}'
    token = ".".join(encoded(text) for text in ((content, plain) if part == "header" else (plain, content))) + ".AA"
    explanation = explained(service, token)
    assert explanation["header"] is explanation["claims"] is None
    assert explanation["reason"] in {"malformed", None}
    assert service.get("/auth/me", token=token).status_code == 401


def encoded(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")
