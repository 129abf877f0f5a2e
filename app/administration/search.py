"""The list of users for administrators: by a prefix of a name, by role, by status, a page at a time.

Each page costs no more however many users there are: it reads ranges of an index, and at most MOST_LOOKED_AT users. So
a page of a rare combination may be short, or even empty, and still have a next one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, cast

from app.accounts.model import listed_status
from app.platform.errors import FieldError, ValidationFailed
from app.platform.identifiers import comparable_email, is_identifier, name_key, username_key
from app.web.cursors import cursor_at, place_at

if TYPE_CHECKING:
    from app.accounts.model import User
    from app.administration.model import FoundUser, KeyName, UserSearch

ListedStatus = Literal["active", "disabled", "invited"]
"""Users of any other status are deleted, and never listed."""
MOST_LOOKED_AT: Final = 2_000
"""Users that are read for one page."""
_AT_ONCE: Final = 500
_NUMBERS: Final = ("0", "1", "2")
"""Of the prefixes that are looked for."""
_KEYS_AT_ONCE: Final = 2_000


@dataclass(frozen=True, slots=True)
class UserQuery:
    """Which users: those of whose address, user name or name `q` is a prefix, and who have this role and status."""

    q: str | None = None
    role: str | None = None
    status: ListedStatus | None = None

    @property
    def bound(self) -> tuple[str | None, ...]:
        """What a cursor is bound to."""
        return (self.q, self.role, self.status)


@dataclass(frozen=True, slots=True)
class FoundPage:
    """Some users; `next` is the cursor of the next page, None at the end."""

    users: list[User]
    next: str | None


@dataclass(frozen=True, slots=True)
class UserFinder:
    """Finds users. `default_roles` are those of new users."""

    search: UserSearch
    default_roles: tuple[str, ...]

    def page(self, query: UserQuery, *, cursor: str | None, limit: int) -> FoundPage:
        """Up to `limit` users behind the `cursor`; raises ValidationFailed if it is that of another query.

        With a prefix these are first those with a matching address, in the order of addresses, then those with only a
        matching user name, then those with only a matching name. Without, it is the order of registration.
        """
        prefixes = _prefixes(query.q)
        place = _Place.of(cursor, query)
        users: list[User] = []
        looked_at = 0
        while place.number < max(len(prefixes), 1):
            asked = min(_AT_ONCE if looked_at else limit + 1, MOST_LOOKED_AT - looked_at)
            some = self._some(query, prefixes, place, asked)
            looked_at += len(some)
            for found in some:
                if _is_wanted(found, query, prefixes[: place.number]):
                    if len(users) == limit:
                        return FoundPage(users, place.cursor(query))
                    users.append(found.user)
                key = found.key(prefixes[place.number][0]) if prefixes else ""
                place = _Place(place.number, key, found.user.id)
            if len(some) < asked:
                place = _Place(place.number + 1)
            elif looked_at >= MOST_LOOKED_AT:
                return FoundPage(users, place.cursor(query))
        return FoundPage(users, None)

    def mend_keys(self) -> int:
        """Bring what is looked for of all users up to date; returns of how many it was not.

        Before there was a search, it was not stored; and a former version, which may run beside this one, changes names
        without it.
        """
        mended, after = 0, ""
        while stored := self.search.keys(after, _KEYS_AT_ONCE):
            for each in stored:
                key = None if each.name is None else name_key(each.name)
                wanted = replace(each, name_key=key, listed_status=listed_status(each.status))
                if wanted != each:
                    self.search.set_keys(wanted)
                    mended += 1
            after = stored[-1].user_id
        return mended

    def _some(
        self, query: UserQuery, prefixes: list[tuple[KeyName, str]], place: _Place, limit: int
    ) -> list[FoundUser]:
        """The next users of the most selective index that the query allows."""
        if prefixes:
            name, prefix = prefixes[place.number]
            return self.search.by_key(name, prefix, key=place.key, after=place.user_id, limit=limit)
        if query.status is not None and query.status != "active":
            return self.search.by_status(query.status, place.user_id, limit)
        # Nearly all users have the default roles, and those that the former version registers are not among the
        # holders of a role.
        if query.role is not None and query.role not in self.default_roles:
            return self.search.by_role(query.role, place.user_id, limit)
        return self.search.by_id(place.user_id, limit)


@dataclass(frozen=True, slots=True)
class _Place:
    """The place of a user in what a query finds: by which of its prefixes, and their key and identifier there."""

    number: int = 0
    key: str = ""
    user_id: str = ""

    @classmethod
    def of(cls, cursor: str | None, query: UserQuery) -> _Place:
        if cursor is None:
            return cls()
        try:
            return cls._read(place_at(cursor, query.bound))
        except ValueError:
            message = "This is not a cursor of this query: send the `next` of its previous page, or none."
            raise ValidationFailed(fields=(FieldError("cursor", "invalid_cursor", message),)) from None

    @classmethod
    def _read(cls, place: list[str]) -> _Place:
        """The place that a cursor encodes, which anybody may have made; raises ValueError."""
        number, key, user_id = place
        if number not in _NUMBERS or (user_id and not is_identifier(user_id)):
            raise ValueError("not a place of ours")
        return cls(int(number), key, user_id)

    def cursor(self, query: UserQuery) -> str:
        return cursor_at((str(self.number), self.key, self.user_id), query.bound)


def _prefixes(q: str | None) -> list[tuple[KeyName, str]]:
    """The prefix of each key that can match, in the order in which they are looked for; none without `q`."""
    if q is None:
        return []
    # Of a whole address, its domain is compared in ASCII.
    prefixes = [("email_key", comparable_email(q)), ("username_key", username_key(q)), ("name_key", name_key(q))]
    return cast("list[tuple[KeyName, str]]", [(name, prefix) for name, prefix in prefixes if prefix])


def _is_wanted(found: FoundUser, query: UserQuery, earlier: list[tuple[KeyName, str]]) -> bool:
    """Whether a user belongs to the result, and not to what the `earlier` prefixes found."""
    user = found.user
    return (
        user.status != "deleted"
        and user.kind is None
        and (query.status is None or user.status == query.status)
        and (query.role is None or query.role in user.roles)
        and not any(found.key(name).startswith(prefix) for name, prefix in earlier)
    )
