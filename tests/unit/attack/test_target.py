"""The attack reaches the host that was named, and no other."""

import pytest

from attack.choice import place_of
from attack.target import NoTargetError, Target


@pytest.mark.parametrize(
    ("url", "origin", "prefix"),
    [
        ("https://auth.example.com", "https://auth.example.com", ""),
        ("https://auth.example.com:443/", "https://auth.example.com", ""),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000", ""),
        ("https://example.com/accounts/", "https://example.com", "/accounts"),
        ("http://[::1]:5000", "http://[::1]:5000", ""),
        ("https://bücher.example", "https://xn--bcher-kva.example", ""),
    ],
)
def test_a_url_names_a_host_and_a_path(url: str, origin: str, prefix: str) -> None:
    target = Target.of(url)
    assert (target.origin, target.prefix) == (origin, prefix)


@pytest.mark.parametrize(
    "url",
    [
        "auth.example.com", "ftp://auth.example.com", "https://", "https://user@auth.example.com",
        "https://auth.example.com?a=b", "https://auth.example.com#a", "https://auth.example.com:port", "https://[::1",
    ],
)  # fmt: skip
def test_anything_else_is_refused(url: str) -> None:
    with pytest.raises(NoTargetError):
        Target.of(url)


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [("localhost", True), ("127.0.0.9", True), ("::1", True), ("auth.example.com", False), ("10.0.0.1", False)],
)
def test_it_knows_this_machine(host: str, is_loopback: bool) -> None:  # noqa: FBT001 - a column of the table
    assert Target("http", host, 80).is_loopback is is_loopback


def test_a_place_is_a_path_of_the_host_or_a_url() -> None:
    target = Target.of("https://example.com/accounts")
    assert place_of("/admin/", target) == (Target("https", "example.com", 443), "/admin/")
    assert place_of("http://app.example.com/admin", target) == (Target("http", "app.example.com", 80), "/admin")
    with pytest.raises(NoTargetError):
        place_of("https://app.example.com", target)
