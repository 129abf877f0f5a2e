"""The page of the passkeys as it is served; tests/e2e/test_passkeys_page.py uses it."""

import re

from tests.api.service import Service, Start

PATH = "/account/passkeys"


def test_the_page_runs_its_own_scripts_alone_and_sends_no_form_by_itself(service: Service) -> None:
    reply = service.get(PATH)
    policy = dict(part.split(" ", 1) for part in reply.headers["Content-Security-Policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
    }
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.headers["Referrer-Policy"] == "no-referrer"


def test_every_field_has_a_label_of_its_own(service: Service) -> None:
    text = service.get(PATH).text
    fields = re.findall(r'<input id="(\w+)"', text)
    assert fields
    assert re.findall(r'<label for="(\w+)">', text) == fields
    ids = re.findall(r'\bid="([\w-]+)"', text)
    assert sorted(set(ids)) == sorted(ids)


def test_passkeys_are_offered_in_the_field_of_the_name(service: Service) -> None:
    (field,) = re.findall(r'<input id="name"[^>]*>', service.get(PATH).text)
    assert 'autocomplete="username webauthn"' in field


def test_the_page_says_where_it_is_at_home(service: Service, start: Start) -> None:
    behind = start(on=service, PUBLIC_URL="https://auth.example.com/api/auth")
    assert f'data-home="https://auth.example.com/api/auth{PATH}"' in behind.get(PATH).text
