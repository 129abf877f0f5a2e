"""Hashing and checking passwords in the pool, and the rules for new ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from app.platform.errors import FieldError, ValidationFailed
from app.security.blocklist import TOO_EASY, is_context_word

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.accounts.account import Account
    from app.accounts.hash_mix.service import HashMix
    from app.accounts.model import Credentials, Users
    from app.security.hash_pool import HashPool
    from app.security.passwords import PasswordHasher

BREACHED: Final = (
    "This password is known from a breach of another service; attackers try such passwords. Choose another one."
)


class BreachCheck(Protocol):
    """`security.breaches.BreachedPasswords` or `security.breach_file.BreachFile`: what the operator turned on."""

    @property
    def is_local(self) -> bool:
        """Whether a look-up is so quick that each login may make one."""

    def contains(self, password: str) -> bool:
        """Whether the password is known from a breach. A check over the network that fails or takes too long is False;
        a file that cannot be read is Unavailable."""

    def check(self) -> str | None:
        """What is wrong with the check, in words; None if it works."""


@dataclass(frozen=True, slots=True)
class PasswordService:
    """The costly work on passwords. Hashing and checking raise Overloaded when the pool is full.

    Without `breaches`, new passwords are not looked up among the breached ones.
    """

    hasher: PasswordHasher
    pool: HashPool
    users: Users
    mix: HashMix
    product_name: str
    breaches: BreachCheck | None = None

    def check_new(self, password: str, words: Iterable[str | None], field: str) -> None:
        """Refuse a new password that `inputs` accepts but an attacker would try early.

        `words` are those of the account; None is skipped. `field` is the name of the password in the request. Raises
        ValidationFailed with the reason as its code: `too_easy`, made of one of the words, or `breached`. Raises
        Unavailable if the file of breached passwords cannot be read. May take as long as `breaches` waits: do not call
        it with a lock or a transaction open.
        """
        if is_context_word(password, [self.product_name, *filter(None, words)]):
            raise ValidationFailed(fields=(FieldError(field, "too_easy", TOO_EASY),))
        if self.breaches is not None and self.breaches.contains(password):
            raise ValidationFailed(fields=(FieldError(field, "breached", BREACHED),))

    def hash(self, password: str) -> str:
        """The hash of a new password, for the store."""
        return self.pool.run(self.hasher.hash, password)

    def verify(self, password: str, credentials: Credentials | Account | None, *, name: str = "") -> bool:
        """Whether this is the password; without credentials the check takes as long, and is False.

        `name` is that of the login: what an unknown one costs is drawn by it. After a match, a hash of another scheme
        or a lower cost than the present ones is replaced.
        """
        return self.pool.run(self._verify, password, credentials, self.mix.dummy_for(name))

    def _verify(self, password: str, credentials: Credentials | Account | None, dummy: str | None) -> bool:
        if credentials is None or not credentials.password_hash:
            self.hasher.verify_dummy(password, dummy)
            return False
        verified = credentials.password_hash
        if not self.hasher.verify(password, verified):
            return False
        if self.hasher.needs_upgrade(verified):
            self.users.replace_hash(credentials.user.id, verified, self.hasher.hash(password))
        return True
