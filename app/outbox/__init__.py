"""What waits to be sent, and the courier that sends it."""

from __future__ import annotations

from app.feature import Feature
from app.outbox.model import MailRequests

FEATURE = Feature(repositories=(MailRequests,), expires=(MailRequests,))
