"""Which providers there are: an account elsewhere opens an account here only while its provider is one of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProviderIds:
    """The identifiers of the providers of the operator's file. The feature that reads it makes this."""

    known: frozenset[str]
