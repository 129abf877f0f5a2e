"""What a feature declares about itself: `FEATURE` in its `__init__.py`.

Nothing else knows a feature: the application serves its endpoints, the stores open its repositories, the deletion of an
account calls its `erase`, and so on, all from this declaration.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    import click

    from app.config import Settings
    from app.platform.container import Container, Factory
    from app.web.caller import Authenticator, CallerKind
    from app.web.endpoint import Endpoint
    from app.web.export import Exporter

    Assembled = Callable[[Sequence[Exporter]], Endpoint]
    """Makes an endpoint from what all features export."""


EntryHandler: TypeAlias = "Callable[[Any, Any], datetime | None]"
"""Does an entry (its second argument) of an account (its first); returns when to try again, None when it is done. Doing
it twice has to be harmless. See `app/outbox/service.py:Handler`."""
OutboxBox: TypeAlias = "Any"
"""What holds entries, and who handles them: a Box of `app/outbox/service.py`, which lies above this."""
Eraser: TypeAlias = "Callable[[str], Iterator[None]]"
"""Erases what a feature holds about a user, given their identifier, a piece at each step; idempotent."""


AccountPublisher: TypeAlias = "Any"
"""Says what a change of an account causes elsewhere: a Publisher of `app/accounts/publisher.py`."""
LoginReason: TypeAlias = "Any"
"""Something that can keep a first factor from opening a session: a Reason of `app/sessions/proof.py`."""
LoginMethod: TypeAlias = "Any"
"""A way to prove a second factor: a LoginMethod of `app/sessions/proof.py`."""


LoginSettling: TypeAlias = "Any"
"""What is settled before a login goes on: a Settling of `app/sessions/proof.py`."""


Live: TypeAlias = "Callable[[Any], Any | None]"
"""Gets the principal of a request; returns the principal as it is now, with its present permissions, or None if what
it came in by has ended (the session, the impersonation, the key). One read.

What ends it raises the revision of the user's account before it returns. So a change of this account that still found
the caller live is saved already, or tried again (see `app/accounts/service.py:Accounts.change`)."""


class BackgroundThread(Protocol):
    """A thread of each worker, beside the courier and the jobs."""

    def start(self) -> None:
        """Begin; called after the fork."""

    def stop(self) -> None:
        """End, and wait for a short time for what is under way."""


class Expiring(Protocol):
    """A repository that keeps things for a limited time."""

    def delete_expired(self, now: datetime, limit: int) -> int:
        """Delete up to `limit` things that have expired at `now`; returns how many. Raises Unavailable."""


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do once in `every`, by one worker of all; `run` returns how many things it did."""

    name: str
    every: timedelta
    run: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Queue:
    """How much waits, for the metric of this name; `waiting` raises Unavailable when the store does not answer."""

    name: str
    description: str
    waiting: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Tag:
    """Endpoints that the documentation shows together."""

    name: str
    description: str
    endpoints: tuple[Endpoint | Assembled, ...]


@dataclass(frozen=True, slots=True)
class MailKind:
    """A kind of mail. Its words are in `templates/<name>.txt` of the `package` that declares it."""

    name: str
    package: str
    page: str | None = None
    """The page that its link opens; None if it has no link."""
    code_first: bool = False
    """Whether its code is typed where it was asked for, and not on the page: then it stands before the link."""
    to_unproven: bool = False
    """Whether it goes to unproven addresses. Then it contains no user text, or anyone could make us mail strangers."""


@dataclass(frozen=True, slots=True)
class MailKinds:
    """Those of all features."""

    kinds: tuple[MailKind, ...]


@dataclass(frozen=True, slots=True)
class DeclaredPermissions:
    """Those of all features."""

    permissions: frozenset[str]


@dataclass(frozen=True, slots=True)
class EntryHandlers:
    """Those of all features, by the kind of the entries in an account."""

    handlers: Mapping[str, EntryHandler]


@dataclass(frozen=True, slots=True)
class LiveCallers:
    """Those of all features, by the kind of caller."""

    live: Mapping[CallerKind, Live]


@dataclass(frozen=True, slots=True)
class Boxes:
    """Those of all features, in the order of the features."""

    boxes: tuple[OutboxBox, ...]


@dataclass(frozen=True, slots=True)
class Erasers:
    """Those of all features."""

    erasers: tuple[Eraser, ...]


@dataclass(frozen=True, slots=True)
class LoginReasons:
    """Those of all features, in the order of the features."""

    reasons: tuple[LoginReason, ...]


@dataclass(frozen=True, slots=True)
class LoginMethods:
    """Those of all features, in the order of the features."""

    methods: tuple[LoginMethod, ...]


@dataclass(frozen=True, slots=True)
class LoginSettlings:
    """Those of all features, in the order of the features."""

    settlings: tuple[LoginSettling, ...]


@dataclass(frozen=True, slots=True)
class Resealers:
    """Those of all features."""

    resealers: tuple[Callable[[], int], ...]


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a feature keeps sealed: what that is, in the plural, and the name of the SECRET_KEY that seals each."""

    what: str
    wrapped_by: Callable[[], Iterable[str]]
    """Raises Unavailable when the store does not answer."""


@dataclass(frozen=True, slots=True)
class SealedKinds:
    """Those of all features."""

    kinds: tuple[Sealed, ...]


@dataclass(frozen=True, slots=True)
class ExpiringRepositories:
    """Those of all features."""

    repositories: tuple[Expiring, ...]


@dataclass(frozen=True, slots=True)
class Feature:
    """A package of `app/`, as the rest of the application sees it. Everything has a default: declare what there is."""

    tags: tuple[Tag, ...] = ()
    """The endpoints of the API, in the order of the documentation."""
    pages: tuple[Tag, ...] = ()
    """What people open in a browser, and what these pages need: served, but not part of the OpenAPI document."""
    protocols: tuple[Tag, ...] = ()
    """What other specifications describe, as those of OAuth do: served, but not part of the OpenAPI document."""
    services: Mapping[type, Factory] = field(default_factory=dict)
    """The parts that this feature builds, by their type."""
    authenticators: tuple[type[Authenticator[Any]], ...] = ()
    """Those of its services that authenticate a kind of token."""
    page_authenticator: type[Authenticator[Any]] | None = None
    """That of its services that authenticates the cookie of our own pages; one feature has it."""
    registered_origins: Callable[[Container], Callable[[str], bool]] | None = None
    """Gives what says whether an origin is one whose pages may read what `origins="registered"` declares."""
    live: Mapping[CallerKind, Callable[[Container], Live]] = field(default_factory=dict)
    """For each kind of caller that it authenticates, what asks whether such a caller is still live. `Accounts` is built
    from them, so none of them can need it."""
    repositories: tuple[type, ...] = ()
    """The Protocols of its repositories. That of `model.py:Users` is implemented by `mongo.py:MongoUsers`, which names
    its indexes, and by `sql.py:SqlUsers`."""
    login_reasons: tuple[Callable[[Container], LoginReason], ...] = ()
    """What can keep a right password, or any other first factor, from opening a session."""
    login_methods: tuple[Callable[[Container], LoginMethod], ...] = ()
    """Ways to prove a second factor. The gate of logins is built from them, so none of them can need it."""
    login_settlings: tuple[Callable[[Container], LoginSettling], ...] = ()
    """What is settled each time that a factor was proven, before anything is asked for. The gate of logins is built
    from them, so none of them can need it."""
    publishers: tuple[Callable[[Container], AccountPublisher | None], ...] = ()
    """What says who else is told of a change of an account; None with these settings. `Accounts` is built from them, so
    none of them can need it."""
    handlers: Mapping[str, Callable[[Container], EntryHandler]] = field(default_factory=dict)
    """Those that do what waits in the outbox of an account, by the kind of the entry."""
    boxes: tuple[Callable[[Container], OutboxBox], ...] = ()
    """What else holds entries of the outbox, with handlers of its own."""
    erase: Callable[[Container], Eraser] | None = None
    """Called when an account is deleted."""
    reseals: Callable[[Container], Callable[[], int]] | None = None
    """Called at each start and by the job `keys`: seals again under SECRET_KEY what it sealed under a former one, and
    returns how much it did."""
    sealed: Callable[[Container], Sealed] | None = None
    """What of it a start seals again: `flask doctor` counts what still needs a former SECRET_KEY."""
    threads: tuple[Callable[[Container], BackgroundThread], ...] = ()
    """What runs in each worker, beside the courier and the jobs."""
    queues: tuple[Callable[[Container], Queue], ...] = ()
    """What waits for it, as metrics."""
    exports: tuple[Exporter, ...] = ()
    """The lists that it adds to the export of a user's data."""
    expires: tuple[type[Expiring], ...] = ()
    """Those of its repositories that keep things for a limited time."""
    jobs: tuple[Callable[[Container], Job], ...] = ()
    mails: tuple[MailKind, ...] = ()
    """The kinds of mail that it sends."""
    permissions: frozenset[str] = frozenset()
    """The permissions that it declares, as `resource:action`."""
    commands: tuple[click.Command, ...] = ()
    """Commands for operators: `flask ...`."""
    sample: bool = False
    """Whether `SAMPLES=off` leaves out its endpoints."""
    on: Callable[[Settings], bool] | None = None
    """Whether these settings serve its endpoints; None is always."""

    def endpoints(self, exporters: Sequence[Exporter]) -> tuple[Endpoint, ...]:
        """The endpoints of the API, each with its tag; `exporters` are those of all features."""
        return self._tagged(self.tags, exporters)

    def page_endpoints(self) -> tuple[Endpoint, ...]:
        """The pages, each with its tag."""
        return self._tagged(self.pages, ())

    def protocol_endpoints(self) -> tuple[Endpoint, ...]:
        """The endpoints of protocols, each with its tag."""
        return self._tagged(self.protocols, ())

    def _tagged(self, tags: tuple[Tag, ...], exporters: Sequence[Exporter]) -> tuple[Endpoint, ...]:
        found = (
            (declared(exporters) if callable(declared) else declared, tag.name)
            for tag in tags
            for declared in tag.endpoints
        )
        return tuple(
            replace(declared, tag=tag, sample=self.sample, on=_both(self.on, declared.on)) for declared, tag in found
        )


def _both(
    one: Callable[[Settings], bool] | None, other: Callable[[Settings], bool] | None
) -> Callable[[Settings], bool] | None:
    """Whether settings serve an endpoint, by its feature and by itself."""
    if one is None or other is None:
        return one or other
    return lambda settings: one(settings) and other(settings)
