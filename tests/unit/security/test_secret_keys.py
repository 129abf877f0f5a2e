"""Keys are derived from SECRET_KEY by HKDF: one for each use, the same on every instance."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.security.secret_keys import RootKey, SecretKeys

SECRETS = st.text(st.characters(codec="utf-8"), min_size=1)


def test_a_key_is_derived_as_rfc_5869_says() -> None:
    # Appendix A.3: 22 bytes of 0x0b, no salt, no info; of the 42 bytes there the first 32 are those of a shorter key.
    known = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"

    assert RootKey("\x0b" * 22).derive("").hex() == known


@given(SECRETS, st.text(st.characters(codec="utf-8")))
def test_the_same_secret_and_label_give_the_same_key_of_32_bytes_everywhere(secret: str, label: str) -> None:
    key = RootKey(secret).derive(label)

    assert key == RootKey(secret).derive(label)
    assert len(key) == 32


@given(SECRETS, st.lists(st.text(st.characters(codec="utf-8")), min_size=2, max_size=5, unique=True))
def test_every_label_has_a_key_of_its_own(secret: str, labels: list[str]) -> None:
    root = RootKey(secret)

    assert len({root.derive(label) for label in labels}) == len(labels)


@given(st.lists(SECRETS, min_size=2, max_size=5, unique_by=lambda secret: secret.encode().rstrip(b"\0")))
def test_every_secret_has_keys_and_a_name_of_its_own(secrets: list[str]) -> None:
    # HMAC fills a key up with NULs, so two secrets that differ in those alone are the same; none in use holds one.
    roots = [RootKey(secret) for secret in secrets]

    assert len({root.derive("a use") for root in roots}) == len(secrets)
    assert len({root.name for root in roots}) == len(secrets)


def test_the_name_of_a_secret_is_that_of_no_key_in_use() -> None:
    root = RootKey("a secret of some length, not in use")

    assert len(root.name) == 16
    assert root.name not in root.derive("latchkey keyring seal").hex()
    assert "a secret" not in repr(root)


def test_a_secret_is_found_by_its_name_among_the_present_and_the_former_ones() -> None:
    keys = SecretKeys("the present one", ["the former one", "the first one"])

    assert keys.current.name == RootKey("the present one").name
    for secret in ("the present one", "the former one", "the first one"):
        found = keys.named(RootKey(secret).name)
        assert found is not None
        assert found.derive("a use") == RootKey(secret).derive("a use")
    assert keys.named(RootKey("another one").name) is None
    assert keys.named("") is None
