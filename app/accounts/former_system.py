"""What a login asks when nothing here knows the password: the system that the users come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from app.accounts.login_name import LoginName
    from app.accounts.model import Credentials


class FormerSystem(Protocol):
    """The system that users move here from, one after the other, with their first login."""

    def take_over(self, name: LoginName, password: str, *, is_known: bool) -> Credentials | None:
        """The user of this name, made now, if the former system knows them by this password; else None.

        Call it after every wrong password, with `is_known` if the name has an account here: then it asks all the same,
        with another password, and gives None. Otherwise the time would tell which names have an account.

        Raises Unavailable if the former system gives no answer, and Overloaded.
        """
