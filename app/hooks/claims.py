"""What claims a hook may add."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final

LARGEST: Final = 1024
"""Bytes of all claims that hooks add to a token, as JSON: a token goes into a header with every request."""
_DEEPEST: Final = 8
_NAME: Final = re.compile(r"x_[a-z0-9_]{1,60}|https://[!#-\[\]-~]{1,200}")
"""No registered claim (RFC 7519, OpenID Connect, RFC 9068) and none of ours has such a name, nor ever will."""
_INT64: Final = range(-(2**63), 2**63)


def checked(added: object, present: Mapping[str, Any]) -> dict[str, Any]:
    """The claims that a hook added, with those `present` already; raises ValueError for what a token may not hold."""
    if not isinstance(added, Mapping):
        raise ValueError("add_claims has to return a mapping")  # noqa: TRY004 - one kind of error
    for name, content in added.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError("the name of a claim has to begin with x_ or to be an https address")
        if name in present:
            raise ValueError(f"two hooks add the claim {name}")
        _check(content, _DEEPEST)
    claims = {**present, **added}
    if len(json.dumps(claims).encode()) > LARGEST:
        raise ValueError(f"the claims take more than {LARGEST} bytes")
    return claims


def _check(content: object, levels: int) -> None:
    """Raises ValueError unless this is JSON that every parser reads alike (RFC 7493)."""
    if levels == 0:
        raise ValueError("a claim is nested too deeply")
    if isinstance(content, dict):
        for name, inner in content.items():
            if not isinstance(name, str):
                raise ValueError("a claim has to be JSON")  # noqa: TRY004 - one kind of error
            _check(name, levels)
            _check(inner, levels - 1)
    elif isinstance(content, list | tuple):
        for inner in content:
            _check(inner, levels - 1)
    elif isinstance(content, str):
        content.encode()  # UnicodeEncodeError, a ValueError, for lone surrogates
    elif not (content is None or isinstance(content, bool) or _is_number(content)):
        raise ValueError("a claim has to be JSON")


def _is_number(content: object) -> bool:
    return (isinstance(content, int) and content in _INT64) or (isinstance(content, float) and math.isfinite(content))
