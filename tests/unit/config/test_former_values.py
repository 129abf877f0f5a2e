"""The settings about the former system are checked at the start, and the URL needs the secret."""

from __future__ import annotations

import pytest

from app import config
from app.config.former_values import signing_key
from tests.api.service import SETTINGS

URL = "https://old.example.org/check"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def refused(**settings: str) -> str:
    with pytest.raises(config.ConfigurationError) as error:
        config.load(SETTINGS | settings, dotenv=None)
    return str(error.value)


def test_both_are_read_and_the_secret_is_its_bytes() -> None:
    settings = config.load(SETTINGS | {"LEGACY_LOGIN_URL": URL, "LEGACY_LOGIN_SECRET": SECRET}, dotenv=None)

    assert settings.transfer.legacy_login_url == URL
    assert settings.transfer.legacy_login_secret is not None
    assert len(signing_key(settings.transfer.legacy_login_secret.get_secret_value())) == 24
    assert SECRET not in repr(settings)


def test_the_url_without_the_secret_stops_the_start() -> None:
    assert refused(LEGACY_LOGIN_URL=URL).startswith("LEGACY_LOGIN_SECRET: is not set")


@pytest.mark.parametrize(
    "url", ["ftp://old.example.org", "old.example.org", "https://a:b@old.example.org/", "https://"]
)
def test_what_is_no_url_stops_the_start(url: str) -> None:
    assert refused(LEGACY_LOGIN_URL=url, LEGACY_LOGIN_SECRET=SECRET).startswith("LEGACY_LOGIN_URL: ")


@pytest.mark.parametrize("secret", ["secret", "whsec_", "whsec_c2hvcnQ=", "whsec_not base64", SECRET[6:]])
def test_a_secret_that_is_none_of_standard_webhooks_stops_the_start(secret: str) -> None:
    told = refused(LEGACY_LOGIN_URL=URL, LEGACY_LOGIN_SECRET=secret)

    assert told.startswith("LEGACY_LOGIN_SECRET: has to be whsec_")
    assert len(secret) < 8 or secret not in told
