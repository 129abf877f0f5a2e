"""The formats that users are imported from."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from app.transfer.formats import auth0, clerk, django, firebase, generic, keycloak, supabase
from app.transfer.records import csv_rows, json_lines, json_list

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from io import BufferedReader

    from app.transfer.incoming import Incoming, Record

    Read = Callable[[dict[str, Any], Mapping[str, Any]], Incoming]
    """Reads one user; the hash parameters of the whole system come with each. Raises RefusedError."""


class Format(NamedTuple):
    """A format: how a user is read, and where the users are in a document that is one object."""

    read: Read
    list_in: str | None = None
    is_csv: bool = False
    """Whether a file of it may be CSV."""


FORMATS: Final[Mapping[str, Format]] = {
    "jsonl": Format(generic.incoming),
    "csv": Format(generic.incoming, is_csv=True),
    "supabase": Format(supabase.incoming, is_csv=True),
    "auth0": Format(auth0.incoming),
    "firebase": Format(firebase.incoming, list_in="users"),
    "keycloak": Format(keycloak.incoming, list_in="users"),
    "clerk": Format(clerk.incoming, is_csv=True),
    "django": Format(django.incoming),
    "flask-security": Format(generic.of_flask_security, is_csv=True),
}


def records_of(file: BufferedReader[Any], format_: Format) -> Iterator[Record]:
    """The users in a file, which begins with a list, an object, or the header of a CSV file."""
    begins = file.peek(64).removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if begins == b"[":
        return json_list(file)
    if begins == b"{" and format_.list_in:
        return json_list(file, format_.list_in)
    return csv_rows(file) if format_.is_csv and begins != b"{" else json_lines(file)


def reader(format_: Format, hash_config: Mapping[str, Any]) -> Callable[[dict[str, Any]], Incoming]:
    """Reads one user of this format."""
    return partial(_read, format_.read, hash_config)


def _read(read: Read, hash_config: Mapping[str, Any], content: dict[str, Any]) -> Incoming:
    return read(content, hash_config)
