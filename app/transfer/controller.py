"""What the export of a user's data has about the system that they came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.accounts.principal import Principal  # noqa: TC001 - the endpoint reads the annotation
from app.accounts.service import Accounts
from app.transfer.views import ImportedView
from app.web.export import exporter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.web.call import CallBy


@exporter("imported", ImportedView)
def exported(call: CallBy[Principal]) -> Iterator[list[ImportedView]]:
    """The system that the user came from, if they came from one."""
    account = call.get(Accounts).users.account(call.caller.user.id)
    yield [ImportedView.of(account.imported)] if account is not None and account.imported else []
