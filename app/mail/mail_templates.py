"""The mails of the service: one for each kind of event, as text and as HTML, from one template.

`templates/<kind>.txt` of the feature that sends it holds the words once. `layout.txt` and `layout.html`, here, arrange
them, so both say the same.
"""

from __future__ import annotations

import textwrap
from datetime import UTC
from functools import cache
from typing import TYPE_CHECKING

from app.mail.mail import Mail

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from jinja2 import Environment

    from app.feature import MailKind

LABELS = (
    ("webhook", "Webhook"),
    ("username", "User name"),
    ("new_email", "New e-mail address"),
    ("former_email", "Earlier e-mail address"),
    ("key", "API key"),
    ("passkey", "Passkey"),
    ("former_passkey", "Earlier name"),
    ("provider", "Provider"),
    ("service_account", "Service account"),
    ("left", "Recovery codes left"),
    ("effective_at", "Takes effect"),
    ("actor", "Done by"),
    ("device", "Device"),
    ("ip", "IP address"),
    ("reason", "Reason"),
)
"""The facts that a mail may show, in this order, and their labels."""
_WIDTH = 72
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_DARK, _LIGHT = "#000000", "#ffffff"
_LONGEST_FACT = 254


class MailTemplates:
    """Writes mails in the name of a product, from their templates."""

    def __init__(self, kinds: Iterable[MailKind], product_name: str, color: str, public_url: str) -> None:
        """`color` is the colour of buttons, as #rrggbb; every link begins with `public_url`."""
        self._kinds = {kind.name: kind for kind in kinds}
        # The layouts first, so that no feature has a file that replaces them.
        self._packages = ("app.mail", *sorted({kind.package for kind in self._kinds.values()} - {"app.mail"}))
        self._look = {"product": product_name, "color": color, "on_color": readable_on(color), "home": public_url}

    def render(
        self,
        kind: str,
        *,
        id: str,  # noqa: A002 - the name it has in Mail
        to: str,
        at: datetime,
        facts: Mapping[str, str],
        token: str | None = None,
        code: str | None = None,
        expires_at: datetime | None = None,
    ) -> Mail:
        """The mail about an event that happened `at` this time.

        `facts` may hold the names in LABELS, and `undo_until`, the time until which an earlier address can take the
        account back. `token` makes the link, which only kinds with a page have; `code` can be entered instead. Raises
        ValueError if a kind with a link has no token, or one without a link has one.
        """
        declared = self._kinds[kind]
        page = declared.page
        if (page is None) != (token is None):
            raise ValueError(f"{kind} has to come {'with' if page else 'without'} a token")
        known = {} if declared.to_unproven else {name: _one_line(text) for name, text in facts.items()}
        content = {
            **self._look,
            "details": [("When", in_words(at)), *((label, known[name]) for name, label in LABELS if known.get(name))],
            "page": f"{self._look['home']}/{page}",
            "link": f"{self._look['home']}/{page}#token={token}" if token else None,
            "code": _spaced(code) if code else None,
            "code_first": declared.code_first,
            "undo_until": known.get("undo_until"),
            "expires": in_words(expires_at) if expires_at else None,
        }
        texts, pages = _environments(self._packages)
        template = texts.get_template(f"{kind}.txt")
        subject = "".join(template.blocks["subject"](template.new_context(content)))
        return Mail(
            id=id,
            to=to,
            subject=subject,
            text=template.render(content, layout="layout.txt"),
            html=pages.get_template(f"{kind}.txt").render(content, layout="layout.html", subject=subject),
        )


@cache
def _environments(packages: tuple[str, ...]) -> tuple[Environment, Environment]:
    """Jinja2 for text, and for HTML with escaping; a template is found in the first of the packages that has it."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - only needed for mail

    def environment(*, autoescape: bool) -> Environment:
        made = Environment(
            loader=ChoiceLoader([PackageLoader(package) for package in packages]),
            autoescape=autoescape,  # noqa: S701 - off for text, on for HTML
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        made.filters["paragraphs"] = _paragraphs
        made.filters["filled"] = _filled
        return made

    return environment(autoescape=False), environment(autoescape=True)


def in_words(moment: datetime) -> str:
    """A time as "21 November 2026, 14:05 UTC", whatever the locale of the process."""
    utc = moment.astimezone(UTC)
    return f"{utc.day} {_MONTHS[utc.month - 1]} {utc.year}, {utc:%H:%M} UTC"


def readable_on(color: str) -> str:
    """Black or white, whichever is more readable on this colour (#rrggbb), by WCAG 2.2's relative luminance."""
    shares = [int(color[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4  # noqa: PLR2004 - WCAG's own
        for share in shares
    )
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return _DARK if (luminance + 0.05) ** 2 > 1.05 * 0.05 else _LIGHT


def _one_line(text: str) -> str:
    """A text that somebody else chose, reduced to one line."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())[:_LONGEST_FACT]


def _spaced(code: str) -> str:
    plain = code.replace("-", "").upper()
    return f"{plain[:4]}-{plain[4:]}"


def _paragraphs(text: str) -> Sequence[str]:
    """The paragraphs of a block, each on one line. If the text is escaped, they are, too."""
    return [type(text)(" ").join(part.split()) for part in text.strip().split("\n\n") if part.strip()]


def _filled(text: str) -> str:
    """A paragraph wrapped to lines that fit every mail program."""
    return textwrap.fill(text, _WIDTH, break_on_hyphens=False)
