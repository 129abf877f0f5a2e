"""What a write causes elsewhere: entries that are stored with the write, and handled afterwards by their kind;
and the courier, the thread that does that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.feature import Boxes, Feature, Queue
from app.outbox.service import Outbox, Wakes

if TYPE_CHECKING:
    from app.platform.container import Container


def _outbox(parts: Container) -> Outbox:
    return Outbox(parts.get(Boxes).boxes, parts.clock, parts.get(Wakes))


FEATURE = Feature(
    services={Wakes: lambda _: Wakes(), Outbox: _outbox},
    queues=(
        lambda parts: Queue(
            "latchkey_mail_queue", "Accounts and requests that wait for mail.", parts.get(Outbox).waiting
        ),
    ),
)
