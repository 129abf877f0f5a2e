"""The type of EGRESS_ALLOW: addresses and networks, each with an optional port."""

# Not `from __future__ import annotations`: pydantic reads the annotations.
import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator

from app.config import values

_LAST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Destination:
    """Where requests may go; the port None is any."""

    network: values.Network
    port: int | None = None


def destination(text: str) -> Destination:
    """An address or a network with an optional port. One of IPv6 with a port is in brackets: `[fd00::1]:9000`."""
    place, port = text, None
    if text.startswith("["):
        address, closed, rest = text[1:].partition("]")
        length, colon, port = rest.partition(":")
        if not closed or not re.fullmatch("(/[0-9]+)?", length):
            raise ValueError("has to be an address or a network; one of IPv6 that has a port is written [fd00::1]:443")
        place, port = address + length, port if colon else None
    elif text.count(":") == 1:
        place, _, port = text.partition(":")
    if port is None:
        return Destination(values.network(place))
    if not re.fullmatch("[0-9]{1,5}", port) or not 1 <= int(port) <= _LAST_PORT:
        raise ValueError("has to name a port from 1 to 65535, or none")
    return Destination(values.network(place), int(port))


Destinations = Annotated[
    tuple[Annotated[Destination, BeforeValidator(destination)], ...], BeforeValidator(values.items)
]
