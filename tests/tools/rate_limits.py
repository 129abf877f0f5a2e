"""The table of docs/rate-limits.md, made from the limits and the endpoints that declare them.

`python -m tests.tools.rate_limits` renews it in the current directory; `tests/house` holds it to them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from app.config.rate_limits import RateLimits
from app.config.section import Section, default_text_of, name_of
from app.features import ENDPOINTS, PAGES, PROTOCOLS

GUIDE: Final = Path("docs/rate-limits.md")
_BEGIN, _END = "<!-- limits -->\n", "<!-- /limits -->\n"
_HEAD = "| policy | default | setting | endpoints |\n|---|---|---|---|\n"


def guide(text: str) -> str:
    """The text of the guide with the table as it has to be."""
    before, _, rest = text.partition(_BEGIN)
    return before + _BEGIN + _table() + _END + rest.partition(_END)[2]


def _table() -> str:
    rows = []
    for attribute, field in RateLimits.model_fields.items():
        if attribute not in Section.model_fields:
            setting = name_of(field)
            policy = setting.removeprefix("RATE_LIMIT_").lower().replace("_", "-")
            limited = [each for each in (*ENDPOINTS, *PAGES, *PROTOCOLS) if each.limit == policy]
            endpoints = ", ".join(f"`{each.method} {each.path}`" for each in limited)
            rows.append(f"| `{policy}` | {default_text_of(field)} | `{setting}` | {endpoints} |\n")
    return _HEAD + "".join(rows)


if __name__ == "__main__":
    GUIDE.write_text(guide(GUIDE.read_text(encoding="utf-8")), encoding="utf-8")
