"""What a write causes elsewhere: entries that are stored with the write, and handled afterwards by their kind;
and the courier, the thread that does that."""

from __future__ import annotations

from app.feature import Feature

FEATURE = Feature()
