"""Reads the fields of a user in a file: under any of several names, and only of the type that is expected."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from app.accounts.imported import LinkedIdentity
from app.platform.errors import MalformedJson
from app.platform.strict_json import parse_json
from app.transfer.incoming import RefusedError, Totp

if TYPE_CHECKING:
    from collections.abc import Mapping

_TRUE: Final = frozenset({"true", "t", "yes", "y", "1", "on"})
_FALSE: Final = frozenset({"false", "f", "no", "n", "0", "off"})
_LAST_SECOND: Final = 10**11
"""Numbers above it are milliseconds: as seconds this is the year 5138."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of one user. A field that is null, empty or missing is none."""

    content: Mapping[str, Any]

    def first(self, *names: str) -> tuple[str, Any]:
        """The first of these fields that has a value, with its name; (the first name, None) if none has."""
        for name in names:
            found = _plain(self.content.get(name))
            if found not in (None, ""):
                return name, found
        return names[0], None

    def text(self, *names: str) -> str | None:
        """A text; a number becomes one. Raises RefusedError for anything else."""
        name, found = self.first(*names)
        if isinstance(found, int) and not isinstance(found, bool):
            return str(found)
        if found is None or isinstance(found, str):
            return found
        raise RefusedError("invalid_type", name)

    def flag(self, *names: str) -> bool | None:
        """Yes or no, also as words or numbers, as CSV files have them; a point in time is a yes."""
        name, found = self.first(*names)
        if found is None or isinstance(found, bool):
            return found
        word = str(found).strip().lower()
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
        return _moment(found, name) is not None

    def moment(self, *names: str) -> datetime | None:
        """A point in time, in whole milliseconds: ISO 8601, or seconds or milliseconds since 1970."""
        name, found = self.first(*names)
        return None if found is None else _moment(found, name)

    def inner(self, *names: str) -> Fields:
        """The fields of an object, also of one that is JSON in a text; none if there is no object."""
        name, found = self.first(*names)
        if isinstance(found, str):
            found = _parsed(found, name)
        if found is None:
            return Fields({})
        if not isinstance(found, dict):
            raise RefusedError("invalid_type", name)
        return Fields(found)

    def inners(self, *names: str) -> list[Fields]:
        """The objects of a list, also of one that is JSON in a text."""
        name, found = self.first(*names)
        if isinstance(found, str):
            found = _parsed(found, name)
        if found is None:
            return []
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise RefusedError("invalid_type", name)
        return [Fields(each) for each in found]

    def texts(self, *names: str) -> tuple[str, ...] | None:
        """The texts of a list, or of one text with commas between them."""
        name, found = self.first(*names)
        if isinstance(found, str):
            found = _parsed(found, name) if found.startswith("[") else [each.strip() for each in found.split(",")]
        if found is None:
            return None
        if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
            raise RefusedError("invalid_type", name)
        return tuple(each for each in found if each)

    def full_name(self, *names: str) -> str | None:
        """The name in one of these fields, or else the given and the family name."""
        parts = (
            self.text("first_name", "firstName", "given_name", "firstname"),
            self.text("last_name", "lastName", "family_name", "lastname"),
        )
        return self.text(*names) or " ".join(filter(None, parts)) or None


def identity(provider: str | None, subject: str | None) -> LinkedIdentity:
    """A linked identity. Raises RefusedError if a part is missing."""
    if not provider or not subject:
        raise RefusedError("invalid_identity")
    return LinkedIdentity(provider, subject)


def totp(secret: str | None, **parameters: Any) -> tuple[Totp, ...]:  # noqa: ANN401 - the fields of Totp
    """The secret of an authenticator app in base 32, if there is one."""
    return (Totp(secret.replace(" ", "").replace("-", "").rstrip("=").upper(), **parameters),) if secret else ()


def _plain(found: Any) -> Any:  # noqa: ANN401 - any JSON value
    """What MongoDB's extended JSON wraps: `{"$oid": ...}`, `{"$date": ...}`, `{"$numberLong": ...}`."""
    while isinstance(found, dict) and len(found) == 1 and next(iter(found)) in {"$oid", "$date", "$numberLong"}:
        found = next(iter(found.values()))
    return found


def _parsed(text: str, name: str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return parse_json(text.encode())
    except (MalformedJson, UnicodeEncodeError):
        raise RefusedError("invalid_type", name) from None


def _moment(found: object, name: str) -> datetime:
    try:
        moment = _from_number(float(str(found))) if _is_number(found) else datetime.fromisoformat(str(found).strip())
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise RefusedError("invalid_time", name) from None
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _is_number(found: object) -> bool:
    text = str(found).strip()
    return not isinstance(found, bool) and text.replace(".", "", 1).isdecimal() and text.isascii() and "-" not in text


def _from_number(number: float) -> datetime:
    return _EPOCH + (timedelta(milliseconds=number) if number > _LAST_SECOND else timedelta(seconds=number))
