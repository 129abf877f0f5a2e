"""The text of a secret in a file, as editors, shells and other systems write it, without what they add."""

from __future__ import annotations

import re

_LIST_GOES_ON = re.compile(r",\s*\n\s*")


def secret_text(content: bytes) -> str:
    """The secret in the content of a file: without a byte order mark, blank lines, and white space around it.

    Raises ValueError if the content is not UTF-8, is empty, or holds a second line or an invisible character. The
    message follows the name of the file and never shows the secret. A list may continue on the next line after a comma.
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
        raise ValueError("holds an invisible character")
    return text


def _decoded(content: bytes) -> str | None:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
