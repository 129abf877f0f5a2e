"""What is sealed opens only under its secret, for its use, and with what it is bound to."""

from __future__ import annotations

import pytest

from app.security.sealed import AlteredError, seal, unseal
from app.security.secret_keys import RootKey

ROOT, OTHER = RootKey("a secret"), RootKey("another secret")


def test_it_opens_as_it_was_and_is_never_sealed_alike() -> None:
    first, second = (seal(b"content", ROOT, "label", b"bound") for _ in range(2))
    assert first != second
    assert unseal(first, ROOT, "label", b"bound") == unseal(second, ROOT, "label", b"bound") == b"content"


@pytest.mark.parametrize(
    ("root", "label", "bound"), [(OTHER, "label", b"bound"), (ROOT, "lebal", b"bound"), (ROOT, "label", b"bond")]
)
def test_it_opens_for_nothing_else(root: RootKey, label: str, bound: bytes) -> None:
    with pytest.raises(AlteredError):
        unseal(seal(b"content", ROOT, "label", b"bound"), root, label, bound)


@pytest.mark.parametrize("sealed", ["", "AAAA", "not base64!", "\u00fc"])
def test_what_was_never_sealed_does_not_open(sealed: str) -> None:
    with pytest.raises(AlteredError):
        unseal(sealed, ROOT, "label", b"bound")
