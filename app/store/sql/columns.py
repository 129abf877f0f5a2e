"""The types of columns: each means the same, to the byte and the millisecond, on every backend."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, DateTime, Numeric, String, Text, TypeDecorator

if TYPE_CHECKING:
    from sqlalchemy import Dialect
    from sqlalchemy.types import TypeEngine


def exact(length: int) -> TypeEngine[str]:
    """A text of up to `length` characters that is compared byte by byte, whatever the database's language.

    SQLite does so by default, and the MySQL tables have a binary collation.
    """
    return String(length).with_variant(String(length, collation="C"), "postgresql")


class _Iso(TypeDecorator[datetime]):
    """A point in time as SQLite keeps it: RFC 3339 text of one length, which sorts by time.

    People and SQLite's own functions can read it, and Python converts it in one call.
    """

    impl = String(len("2026-01-31T23:59:59.999+00:00"))
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's
        return value.astimezone(UTC).isoformat(timespec="milliseconds") if value else None

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's
        return datetime.fromisoformat(value) if value else None


class _Naive(TypeDecorator[datetime]):
    """A point in time as MySQL keeps it: DATETIME(3), which knows no time zone, in UTC."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        from sqlalchemy.dialects.mysql import DATETIME  # noqa: PLC0415 - only users of MySQL pay for it

        return dialect.type_descriptor(DATETIME(fsp=3))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's
        return value.astimezone(UTC).replace(tzinfo=None) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's
        return value.replace(tzinfo=UTC) if value else None


class _Cents(TypeDecorator[Decimal]):
    """An amount with two places as SQLite keeps it: in whole hundredths, since its fractions are binary floats."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:  # noqa: ARG002 - SQLAlchemy's
        return None if value is None else int(value.scaleb(2))

    def process_result_value(self, value: int | None, dialect: Dialect) -> Decimal | None:  # noqa: ARG002 - SQLAlchemy's
        return None if value is None else Decimal(value).scaleb(-2)


INSTANT: TypeEngine[datetime] = (
    DateTime(timezone=True).with_variant(_Iso(), "sqlite").with_variant(_Naive(), "mysql", "mariadb")
)
"""A point in time: an aware datetime in UTC, in whole milliseconds; PostgreSQL's own type is just that."""

LONG_TEXT: TypeEngine[str] = Text().with_variant(Text(2**24 - 1), "mysql", "mariadb")
"""A text of up to 16 MiB; MySQL's plain TEXT ends at 64 KiB."""

PRICE: TypeEngine[Decimal] = Numeric(12, 2).with_variant(_Cents(), "sqlite")
"""An exact amount of at most ten digits before the point and two after it."""
