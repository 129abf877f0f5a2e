"""URIs that differ only in how URL libraries write them are the same; all others are not."""

import pytest

from app.platform.uris import as_written

KNOWN = (
    "https://api.example",
    "https://api.example/mcp",
    "https://Mixed.example:443/Path",
    "http://[::1]:80/x",
    "urn:x",
)


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        *((each, each) for each in KNOWN),
        ("https://api.example/", "https://api.example"),
        ("HTTPS://API.example:443", "https://api.example"),
        ("https://api.example:443/mcp", "https://api.example/mcp"),
        ("https://mixed.example/Path", "https://Mixed.example:443/Path"),
        ("http://[::1]/x", "http://[::1]:80/x"),
    ],
)
def test_it_is_the_known_one_as_that_is_written(uri: str, found: str) -> None:
    assert as_written(uri, KNOWN) == found


def test_the_letter_goes_before_what_is_the_same() -> None:
    assert as_written("https://x/", ("https://x", "https://x/")) == "https://x/"


@pytest.mark.parametrize(
    "uri",
    [
        *("https://api.example/mcp/", "https://api.example/MCP", "https://api.example//", "https://api.example/."),
        *("https://api.example?", "https://api.example/?", "https://api.example#", "https://api.example/mcp#"),
        *("http://api.example/", "https://api.example:80/", "https://api.example:0443/", "https://api.example:"),
        *("https://u@api.example/", "https://@api.example/", "https://api.example./", "https://api.example\\"),
        *("\thttps://api.example/", "https://api.example\t/", "https://api.exa\nmple/", " https://api.example/"),
        *("https://api.example:99999/", "https://[::1", "https:/api.example/", "//api.example/", "urn:X", "", "é"),
        *("https://mixed.example/path", "http://[::1]:8/x", "\ud800", "https://\uff41pi.example/"),
    ],
)
def test_anything_else_is_none_of_them(uri: str) -> None:
    assert as_written(uri, KNOWN) is None
