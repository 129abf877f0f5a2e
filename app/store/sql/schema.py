"""What all tables share. Each is defined beside its repository, in the `sql.py` of its feature.

A change of a table needs a migration in `migrations/versions/`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from sqlalchemy import MetaData

MIGRATIONS: Final = Path(__file__).parents[3] / "migrations"

REVISION: Final = max(step.name[:4] for step in (MIGRATIONS / "versions").glob("[0-9]*.py"))
"""The revision that makes exactly these tables: that of the last migration, by the number in its file's name."""

ON_MYSQL: Final[dict[str, Any]] = {
    f"{backend}_{option}": value
    for backend in ("mysql", "mariadb")
    for option, value in {"engine": "InnoDB", "charset": "utf8mb4", "collate": "utf8mb4_bin"}.items()
}
"""They give transactions, every character, and texts that are compared byte by byte."""

METADATA: Final = MetaData()
