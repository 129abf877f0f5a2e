"""What is wrong with the description of a client, beyond the form of each field."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.oauth.clients.model import OF_SIGNERS, OF_USERS
from app.platform.errors import FieldError
from app.security.egress import EgressRefusedError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from app.oauth.catalogue.service import Catalogue
    from app.oauth.clients.model import Client
    from app.security.egress import Egress


def wrong_fields(
    client: Client, names: Collection[str], catalogue: Catalogue, egress: Egress, *, own: str
) -> tuple[FieldError, ...]:
    """All that is wrong in these fields of a client. What was right once, and is not asked for again, may stay.

    `own` is the audience of our own API, which is a resource without being in the catalogue.
    """
    return (
        *_of_kind(client, names),
        *_not_in_catalogue(client, names, catalogue, own),
        *_of_signers(client, names),
        *_refused_urls(client, names, egress),
    )


def _of_kind(client: Client, names: Collection[str]) -> Iterator[FieldError]:
    if client.kind == "service":
        for name in OF_USERS:
            if name in names and getattr(client, name):
                message = "A service has no users, and so nothing that concerns them."
                yield FieldError(name, "not_for_services", message)
    if "token_exchange" in names and client.token_exchange and not client.has_secrets:
        yield FieldError("token_exchange", "public", "A public client exchanges no tokens of others.")


def _not_in_catalogue(client: Client, names: Collection[str], catalogue: Catalogue, own: str) -> Iterator[FieldError]:
    if not {"scopes", "resources"} & set(names):
        return
    known = catalogue.load()
    for name, listed, exist in (
        ("scopes", client.scopes, known.scopes),
        ("resources", client.resources, (own, *known.resources)),
    ):
        for index, each in enumerate(listed or () if name in names else ()):
            if each not in exist:
                message = f"There is none of this name among /admin/{name}."
                yield FieldError(f"{name}.{index}", f"unknown_{name[:-1]}", message)


def _of_signers(client: Client, names: Collection[str]) -> Iterator[FieldError]:
    """Of the fields by which a client proves itself without a secret."""
    given = [name for name in OF_SIGNERS if name in names and getattr(client, name) is not None]
    if not client.has_secrets:
        for name in given:
            yield FieldError(name, "public", "A public client proves nothing of itself.")
    elif client.jwks is not None and client.jwks_uri is not None and {"jwks", "jwks_uri"} & set(given):
        yield FieldError("jwks_uri", "one_of", "A client has jwks or jwks_uri, not both.")


def _refused_urls(client: Client, names: Collection[str], egress: Egress) -> Iterator[FieldError]:
    """Of the URLs at which it is asked or told something."""
    urls = {
        "backchannel_logout_uri": ("backchannel_logout_uri", client.backchannel_logout_uri),
        "jwks_uri": ("jwks_uri", client.jwks_uri),
        "workload": ("workload.issuer", None if client.workload is None else client.workload.issuer),
    }
    for name, (field, url) in urls.items():
        if name in names and url is not None:
            try:
                egress.check(url)
            except EgressRefusedError as error:
                yield FieldError(field, "refused_url", f"The URL {error}.")
