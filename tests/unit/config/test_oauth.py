"""OAUTH follows JWT_ALGORITHM, since clients verify ID tokens with published keys; CIMD_ALLOW names hosts or none."""

import pytest

from app import config
from app.config.oauth import ANY_HOST, OAuth

SETTINGS = {
    "FLASK_ENV": "production",
    "SECRET_KEY": "kX9vQ2mZ7tR4wL8pN3yB6hJ1sD5fG0aC-uE_iO",
    "DATABASE_URL": "postgresql://latchkey@localhost/latchkey",
    "PUBLIC_URL": "https://auth.example.com",
}


def oauth(**more: str) -> OAuth:
    return config.load(SETTINGS | more, dotenv=None).oauth


def test_the_authorization_server_is_on_by_default_and_off_when_said() -> None:
    assert oauth().on
    assert list(oauth().problems()) == []
    assert not oauth(OAUTH="off").on


def test_with_hs256_it_is_off_and_the_operator_is_told() -> None:
    found = oauth(JWT_ALGORITHM="HS256")
    assert not found.on
    assert len(list(found.problems())) == 1
    assert list(oauth(JWT_ALGORITHM="HS256", OAUTH="off").problems()) == []


def test_with_hs256_it_cannot_be_turned_on() -> None:
    with pytest.raises(config.ConfigurationError, match=r"^OAUTH: cannot be on with JWT_ALGORITHM=HS256"):
        oauth(JWT_ALGORITHM="HS256", OAUTH="on")


def test_a_wrong_algorithm_is_told_once() -> None:
    with pytest.raises(config.ConfigurationError) as caught:
        oauth(JWT_ALGORITHM="none")
    assert [line.partition(":")[0] for line in caught.value.problems] == ["JWT_ALGORITHM"]


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("off", ()),
        ("Any", (ANY_HOST,)),
        ("client.example", ("client.example",)),
        ("Client.example, .apps.example.net", ("client.example", ".apps.example.net")),
    ],
)
def test_metadata_documents_come_from_no_host_any_or_those_that_are_listed(text: str, hosts: tuple[str, ...]) -> None:
    assert oauth(CIMD_ALLOW=text).cimd_allow == hosts


@pytest.mark.parametrize("text", ["*", "a.example,*", "https://a.example", "a.example/path", "a.example:443", ","])
def test_what_is_no_host_name_stops_the_start(text: str) -> None:
    with pytest.raises(config.ConfigurationError, match=r"^CIMD_ALLOW: "):
        oauth(CIMD_ALLOW=text)


@pytest.mark.parametrize("seconds", ["0", "61"])
def test_a_code_lives_for_a_minute_at_most(seconds: str) -> None:
    with pytest.raises(config.ConfigurationError, match=r"^OAUTH_CODE_SECONDS: "):
        oauth(OAUTH_CODE_SECONDS=seconds)
