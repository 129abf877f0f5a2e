"""In every proxy file and snippet that ships, the path that is judged is the path that is forwarded.

A location may cut what it begins with, in whole parts of the path: nginx has resolved the path before that, so no dots
are left in it (tests/e2e/test_nginx_upstream.py).
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FENCED = re.compile(r"^```nginx\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LOCATION = re.compile(r"location\s+(?:(=|\^~|~\*?)\s+)?(\S+)\s*\{([^{}]*)\}")
CONFIGURATIONS = {
    **{str(path.relative_to(ROOT)): path.read_text() for path in sorted(ROOT.glob("nginx/**/*.conf"))},
    **{
        str(path.relative_to(ROOT)): "\n".join(FENCED.findall(path.read_text()))
        for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*/*.md")])
        if "proxy_pass" in path.read_text()
    },
}


def _statements(text: str) -> str:
    """Without comments."""
    return re.sub(r"(?m)(^|\s)#.*$", "", text)


def test_the_configurations_are_found() -> None:
    assert {"nginx/service.conf", "nginx/examples/forward-auth.conf", "docs/forward-auth.md"} <= CONFIGURATIONS.keys()


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_proxy_pass_forwards_the_path_that_its_location_was_chosen_by(name: str) -> None:
    text = _statements(CONFIGURATIONS[name])
    passed = re.findall(r"proxy_pass\s+([^;]+);", text)
    in_locations = [
        (path, target)
        for _, path, body in LOCATION.findall(text)
        for target in re.findall(r"proxy_pass\s+([^;]+);", body)
    ]
    assert [target for _, target in in_locations] == passed, "one stands where no location says what it is for"
    for path, target in in_locations:
        forwarded = re.fullmatch(r"https?://[^/$]+(/[^$]*)", target)
        assert forwarded, f"{target} forwards the path as the client wrote it, or without encoding it"
        asks = path.startswith("/_latchkey/")  # for the answer only: no path of a client goes there
        assert asks or forwarded[1] == path or _cuts_whole_parts(path, forwarded[1])


def _cuts_whole_parts(path: str, forwarded: str) -> bool:
    """Without a slash at both ends `/auth/x` could become `//x`, or `/authx` become `/x`."""
    return path.endswith("/") and forwarded.endswith("/") and path.endswith(forwarded)


@pytest.mark.parametrize(
    ("path", "forwarded", "allowed"),
    [
        ("/api/auth/", "/", True),
        ("/api/auth/", "/auth/", True),
        ("/api/auth", "/", False),
        ("/api/auth/", "/admin/", False),
        ("/auth", "/auth/", False),
    ],
)
def test_a_location_cuts_whole_parts_of_a_path_and_puts_nothing_in_their_place(
    path: str,
    forwarded: str,
    allowed: bool,  # noqa: FBT001 - pytest hands it over by name
) -> None:
    assert _cuts_whole_parts(path, forwarded) == allowed
