"""What all tables share. Each is defined beside its repository, in the `sql.py` of its feature.

A change of a table needs a migration in `migrations/versions/` and the new REVISION.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import MetaData

REVISION: Final = "0003"
"""The revision of `migrations/` that makes exactly these tables."""

ON_MYSQL: Final[dict[str, Any]] = {
    f"{product}_{option}": value
    for product in ("mysql", "mariadb")
    for option, value in {"engine": "InnoDB", "charset": "utf8mb4", "collate": "utf8mb4_bin"}.items()
}
"""They give transactions, every character, and texts that are compared byte by byte."""

METADATA: Final = MetaData()
