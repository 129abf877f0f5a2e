"""The text of a secret in a file: as editors, shells and other systems write it, and never more than what was meant."""

from __future__ import annotations

import re

_LIST_GOES_ON = re.compile(r",\s*\n\s*")


def secret_text(content: bytes) -> str:
    """The secret in the content of a file: without a byte order mark, blank lines, and white space around it.

    Raises ValueError, in words that follow the name of the file and never show the secret, for what is no UTF-8, is
    empty, or holds a second line or a character that nobody sees. A list may go on in the next line behind a comma.
    """
    text = _decoded(content)
    if text is None:  # raised out here, so that the error does not carry the content along
        raise ValueError("is not UTF-8 text")
    text = _LIST_GOES_ON.sub(",", text.strip())
    if not text:
        raise ValueError("is empty")
    if len(text.splitlines()) > 1:
        raise ValueError("holds more than one line")
    if not text.isprintable():
        raise ValueError("holds a character that nobody sees")
    return text


def _decoded(content: bytes) -> str | None:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
