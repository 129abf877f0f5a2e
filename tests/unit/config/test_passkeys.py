"""PASSKEY_RP_ID and PASSKEY_ORIGINS: what browsers compare with, or no start; what they refuse to use is told."""

import pytest

from app import config
from app.config.passkeys import Passkeys

SETTINGS = {
    "FLASK_ENV": "production",
    "SECRET_KEY": "kX9vQ2mZ7tR4wL8pN3yB6hJ1sD5fG0aC-uE_iO",
    "DATABASE_URL": "postgresql://latchkey@localhost/latchkey",
    "PUBLIC_URL": "https://auth.example.com",
}
APP = f"android:apk-key-hash:{'aB3-' * 10}_xZ"


def passkeys(**more: str) -> Passkeys:
    return config.load(SETTINGS | more, dotenv=None).passkeys


@pytest.mark.parametrize(
    ("public_url", "rp_id", "origin"),
    [
        ("https://auth.example.com", "auth.example.com", "https://auth.example.com"),
        ("https://Auth.example.com:443/path", "auth.example.com", "https://auth.example.com"),
        ("https://auth.example.com:8443", "auth.example.com", "https://auth.example.com:8443"),
        ("http://localhost:5000", "localhost", "http://localhost:5000"),
        ("http://[::1]:80", "::1", "http://[::1]"),
    ],
)
def test_both_follow_from_the_public_url(public_url: str, rp_id: str, origin: str) -> None:
    found = passkeys(PUBLIC_URL=public_url)
    assert (found.rp_id, found.origins) == (rp_id, (origin,))


def test_pages_of_other_hosts_and_android_apps_may_be_listed() -> None:
    listed = f"https://auth.example.com, https://app.example.com:8443,{APP}"
    found = passkeys(PASSKEY_RP_ID="example.com", PASSKEY_ORIGINS=listed)
    assert found.origins == ("https://auth.example.com", "https://app.example.com:8443", APP)
    assert list(found.problems()) == []


@pytest.mark.parametrize(
    "text",
    ["https://example.com", "Example.com", "example.com:443", "example.com/", "b\u00fccher.example", ".example", "a b"],
)
def test_what_is_no_domain_as_browsers_have_it_stops_the_start(text: str) -> None:
    with pytest.raises(config.ConfigurationError, match=r"^PASSKEY_RP_ID: has to be a domain"):
        passkeys(PASSKEY_RP_ID=text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("https://app.example.com/", "set PASSKEY_ORIGINS=https://app.example.com"),
        ("http://app.example.com", "set PASSKEY_ORIGINS=https://app.example.com"),
        ("*", "cannot be *"),
        (APP[:-1], "base64url"),
        (f"{APP}=", "base64url"),
        ("android:other", "base64url"),
        ("app.example.com", "https://"),
    ],
)
def test_what_no_browser_or_app_sends_stops_the_start(text: str, told: str) -> None:
    with pytest.raises(config.ConfigurationError) as refused:
        passkeys(PASSKEY_ORIGINS=text)
    assert str(refused.value).startswith("PASSKEY_ORIGINS: ")
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"PUBLIC_URL": "http://192.0.2.7:5000"}, "PASSKEY_RP_ID: browsers make no passkeys for an IP address"),
        ({"PUBLIC_URL": "https://[2001:db8::1]"}, "PASSKEY_RP_ID: browsers make no passkeys for an IP address"),
        ({"PUBLIC_URL": "http://auth.example.com"}, "is not https, so no passkeys"),
        ({"PASSKEY_ORIGINS": "https://other.example"}, "https://other.example is outside of auth.example.com"),
        ({"PASSKEY_ORIGINS": "https://xauth.example.com"}, "is outside of auth.example.com"),
    ],
)
def test_what_browsers_refuse_is_told_and_no_reason_not_to_start(settings: dict[str, str], told: str) -> None:
    (problem,) = passkeys(**settings).problems()
    assert told in problem


@pytest.mark.parametrize("url", ["http://localhost:5000", "https://auth.example.com"])
def test_where_browsers_make_passkeys_there_is_nothing_to_tell(url: str) -> None:
    assert list(passkeys(PUBLIC_URL=url).problems()) == []
