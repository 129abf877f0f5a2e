"""What waits to be sent, and what sends it when it is due."""

from __future__ import annotations

from app.feature import Feature
from app.outbox.model import MailRequests

FEATURE = Feature(repositories=(MailRequests,), expires=(MailRequests,))
