"""What clients may ask for, and how administrators change it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from app.oauth.catalogue.model import STANDARD, CatalogueBook, Resource, Scope
from app.oauth.clients.permissions import WRITE
from app.platform.errors import FieldError, InvalidRequest, NotFound, Unavailable, ValidationFailed
from app.platform.uris import as_written
from app.roles.authority import require_permission

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from app.accounts.principal import Principal
    from app.audit.service import Audit
    from app.oauth.catalogue.model import CatalogueBooks
    from app.platform.devices import Device
    from app.roles.authority import Authority

MOST: Final = 200
"""Scopes, and resources, that there may be: each authorization reads them."""
_ATTEMPTS: Final = 50


@dataclass(frozen=True, slots=True)
class CatalogueOf:
    """What clients may ask for: the descriptions of all scopes by their names, and the resources by their URIs."""

    scopes: Mapping[str, str]
    """The standard ones among them, and first."""
    resources: Mapping[str, Resource]

    def has(self, scopes: Collection[str], resources: Collection[str]) -> bool:
        """Whether there are all of these."""
        return set(scopes) <= self.scopes.keys() and set(resources) <= self.resources.keys()


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Names, lists and drops scopes and resources.

    All that changes something raises SessionEnded or Forbidden if the caller may not do it any more, right before the
    write.
    """

    books: CatalogueBooks
    authority: Authority
    audit: Audit

    def load(self) -> CatalogueOf:
        """What clients may ask for now. Raises Unavailable."""
        book = self.books.load()
        return CatalogueOf(
            STANDARD | {scope.name: scope.description for scope in book.scopes},
            {resource.uri: resource for resource in book.resources},
        )

    def add_scope(self, scope: Scope, by: Principal, device: Device) -> Scope:
        """Name a scope. Raises ValidationFailed for a name that is taken, and InvalidRequest if there are MOST."""

        def added(book: CatalogueBook) -> CatalogueBook:
            if scope.name in STANDARD or any(each.name == scope.name for each in book.scopes):
                raise _taken("name", f"There is a scope {scope.name} already.")
            _require_room(book.scopes)
            return replace(book, scopes=tuple(sorted((*book.scopes, scope), key=lambda each: each.name)))

        self._write_for(by, added)
        self.audit.record(_responsible(by), "scope.created", device, scope=scope.name)
        return scope

    def remove_scope(self, name: str, by: Principal, device: Device) -> None:
        """Drop a scope: nothing is granted it any more; tokens keep it while they live. Raises NotFound.

        Raises ValidationFailed while a resource lists it, and InvalidRequest for a standard one.
        """

        def removed(book: CatalogueBook) -> CatalogueBook:
            left = tuple(scope for scope in book.scopes if scope.name != name)
            if left == book.scopes:
                if name in STANDARD:
                    raise InvalidRequest("The standard scopes stay.")
                raise NotFound
            if users := [resource.uri for resource in book.resources if name in (resource.scopes or ())]:
                raise InvalidRequest(f"The resource {users[0]} lists this scope: delete the resource first.")
            return replace(book, scopes=left)

        self._write_for(by, removed)
        self.audit.record(_responsible(by), "scope.deleted", device, scope=name)

    def add_resource(self, resource: Resource, by: Principal, device: Device) -> Resource:
        """Name a resource.

        Raises ValidationFailed for a URI or a name that is taken and for scopes that do not exist, and InvalidRequest
        if there are MOST.
        """

        def added(book: CatalogueBook) -> CatalogueBook:
            known = {each.name for each in book.scopes}
            wrong = [
                FieldError(f"scopes.{index}", "unknown_scope", "There is no such scope: name it first.")
                for index, scope in enumerate(resource.scopes or ())
                if scope not in known
            ]
            if as_written(resource.uri, [each.uri for each in book.resources]) is not None:
                wrong.append(FieldError("uri", "taken", "There is a resource of this URI already."))
            if any(each.name == resource.name for each in book.resources):
                wrong.append(FieldError("name", "taken", "There is a resource of this name already."))
            if wrong:
                raise ValidationFailed(fields=tuple(wrong))
            _require_room(book.resources)
            return replace(book, resources=tuple(sorted((*book.resources, resource), key=lambda each: each.uri)))

        self._write_for(by, added)
        self.audit.record(_responsible(by), "resource.created", device, resource=resource.uri)
        return resource

    def remove_resource(self, name: str, by: Principal, device: Device) -> None:
        """Drop the resource of this name or URI: no token is issued for it any more. Raises NotFound."""
        dropped: list[str] = []

        def removed(book: CatalogueBook) -> CatalogueBook:
            dropped[:] = [each.uri for each in book.resources if name in {each.uri, each.name}]
            if not dropped:
                raise NotFound
            # A name of one may be the URI of another: the URI goes before it.
            dropped[:] = [name] if name in dropped else dropped
            return replace(book, resources=tuple(each for each in book.resources if each.uri not in dropped))

        self._write_for(by, removed)
        self.audit.record(_responsible(by), "resource.deleted", device, resource=dropped[0])

    def _write_for(self, by: Principal, step: Callable[[CatalogueBook], CatalogueBook]) -> None:
        """Replace the book with the result of `step`, which may be called again, and raises to refuse."""
        for _ in range(_ATTEMPTS):
            book = self.books.load()
            changed = step(book)
            require_permission(self.authority.held_by(by), WRITE)
            if self.books.save(replace(changed, version=book.version + 1)):
                return
        raise Unavailable("The scopes and resources change too often.", retry_after=1)


def _require_room(found: tuple[object, ...]) -> None:
    if len(found) >= MOST:
        raise InvalidRequest(f"There are {MOST}, which is the most: delete one first.")


def _taken(field: str, message: str) -> ValidationFailed:
    return ValidationFailed(fields=(FieldError(field, "taken", message),))


def _responsible(by: Principal) -> str:
    return by.actor_id or by.user.id
