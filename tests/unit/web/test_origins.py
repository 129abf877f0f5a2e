"""Which page sent a request, and which addresses browsers take for one site."""

import pytest

from app.web.origins import is_other_site

PUBLIC = "https://auth.example.com/path"


@pytest.mark.parametrize(
    "origin",
    [
        "https://auth.example.com",
        "https://auth.example.com:8443",
        "https://example.com",
        "https://app.example.com",
        "https://a.b.example.com",
    ],
)
def test_a_port_or_another_subdomain_is_the_same_site(origin: str) -> None:
    assert not is_other_site(origin, PUBLIC)


@pytest.mark.parametrize(
    "origin",
    [
        "http://auth.example.com",
        "https://app.example",
        "https://example.org",
        "https://auth.example.com.evil.example",
        "https://evilexample.com",
        "https://com",
        "https://192.0.2.1",
        "https://[2001:db8::1]",
    ],
)
def test_another_scheme_or_domain_is_another_site(origin: str) -> None:
    assert is_other_site(origin, PUBLIC)


def test_addresses_and_names_without_a_dot_are_a_site_each() -> None:
    assert not is_other_site("http://localhost:3000", "http://localhost:5000")
    assert is_other_site("http://app.localhost:3000", "http://localhost:5000")
    assert is_other_site("http://127.0.0.1:3000", "http://localhost:5000")
    assert not is_other_site("http://127.0.0.1:3000", "http://127.0.0.1:5000")
    assert is_other_site("http://10.0.0.1", "http://10.1.0.1")
    assert is_other_site("http://[::1]:3000", "http://[::2]:3000")
