"""What each kind of value accepts and refuses."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

import pytest

from app.config import values

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("check", "text", "value"),
    [
        (values.database_url, "sqlite:///instance/x.db", "sqlite:///instance/x.db"),
        (values.database_url, "sqlite:////var/lib/my data/x.db", "sqlite:////var/lib/my data/x.db"),
        (values.database_url, "sqlite+pysqlite:///x.db?timeout=1", "sqlite:///x.db?timeout=1"),
        (values.database_url, "postgresql://u:p@h:5432/d", "postgresql+psycopg://u:p@h:5432/d"),
        (values.database_url, "postgres://u@h/d", "postgresql+psycopg://u@h/d"),
        (values.database_url, "postgresql+psycopg2://u@h/d", "postgresql+psycopg://u@h/d"),
        (
            values.database_url,
            "postgresql:///d?host=/run/postgresql",
            "postgresql+psycopg:///d?host=/run/postgresql",
        ),
        (
            values.database_url,
            "postgresql://u:p%40@h1:1,[::1]:2,h3/d?sslmode=require",
            "postgresql+psycopg://u:p%40@/d?host=h1:1&host=[::1]:2&host=h3&sslmode=require",
        ),
        (
            values.database_url,
            "mysql://u:p%40@h/d?charset=utf8mb4",
            "mysql+pymysql://u:p%40@h/d?charset=utf8mb4",
        ),
        (values.database_url, "mariadb+mysqldb://h/d", "mysql+pymysql://h/d"),
        (values.allowed_host, "Example.COM.", "example.com"),
        (values.allowed_host, ".example.com", ".example.com"),
        (values.allowed_host, "[::1]", "::1"),
        (values.allowed_host, "192.0.2.7", "192.0.2.7"),
        (values.allowed_host, "*", "*"),
        (values.items, " a, b,,", ("a", "b")),
        (values.switch, " OFF ", False),
        (values.mongo_database, "mongodb://h/?w=majority", "latchkey"),
    ],
)
def test_a_text_becomes_its_value(check: Callable[[str], object], text: str, value: object) -> None:
    assert check(text) == value


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (values.public_url, "https://auth.example.com"),
        (values.public_url, "http://localhost:5000"),
        (values.public_url, "http://[::1]:5000/base"),
        (values.mongo_uri, "mongodb://u:p%40ss@a:27017,b:27018/d?replicaSet=rs&retryWrites=false"),
        (
            values.mongo_uri,
            "mongodb+srv://cluster.example.com/?W=Majority&journal=true&readPreference=PRIMARY",
        ),
        (values.redis_url, "redis://:p@h:6379/0"),
        (values.redis_url, "rediss://h"),
        (values.redis_url, "unix:///run/redis.sock?db=1"),
        (values.bind_host, "192.0.2.7"),
        (values.bind_host, "::"),
        (values.bind_host, "localhost"),
    ],
)
def test_a_good_value_stays_as_it_is(check: Callable[[str], str], text: str) -> None:
    assert check(text) == text


@pytest.mark.parametrize(
    ("check", "text", "wrong"),
    [
        (values.public_url, "auth.example.com", "http:// or https://"),
        (values.public_url, "ftp://auth.example.com", "http:// or https://"),
        (values.public_url, "https://", "http:// or https://"),
        (values.public_url, "https://auth.example.com/", "without a slash"),
        (values.public_url, "https://auth.example.com?", "query"),
        (values.public_url, "https://auth.example.com#x", "fragment"),
        (values.public_url, "https://u:p@auth.example.com", "user name"),
        (values.public_url, "https://auth.example.com:99999", "port"),
        (values.public_url, "https://aüth.example.com", "xn--"),
        (values.public_url, "https://auth.example.com\n", "spaces"),
        (values.public_url, "https://[auth", "not a URL"),
        (values.allowed_host, "example.com:5000", "without scheme, port"),
        (values.allowed_host, "https://example.com", "without scheme, port"),
        (values.allowed_host, "*.example.com", ".example.com for subdomains"),
        (values.bind_host, "localhost:5000", "without a port"),
        (values.bind_host, "", "host name"),
        (values.items, " , ", "lists nothing"),
        (values.network, "10.0.0.1/8", "host bits"),
        (values.network, "proxy", "address"),
        (values.role, "Member", "lower-case letter"),
        (values.role, "member\n", "lower-case letter"),
        (values.database_url, "oracle://h/d", "sqlite:///"),
        (values.database_url, "x.db", "sqlite:///"),
        (values.database_url, "postgresql://", "sqlite:///"),
        (values.database_url, "sqlite://x.db", "name a file"),
        (values.database_url, "sqlite:///", "name a file"),
        (values.database_url, "sqlite:///:memory:", "in memory"),
        (values.database_url, "postgresql://u:p@h", "name of a database"),
        (values.database_url, "postgresql://u:p#x@h/d", "percent-encode"),
        (values.database_url, "postgresql://u:p/x@h/d", "percent-encode"),
        (values.database_url, "mysql://u:p@x@h/d", "percent-encode"),
        (values.database_url, "mysql://h:x/d", "port"),
        (values.database_url, "mysql://h1,h2/d", "several hosts"),
        (values.mongo_uri, "http://h/d", "mongodb://"),
        (values.mongo_uri, "mongodb://u:p@/d", "mongodb://"),
        (values.mongo_uri, "mongodb://u:p@x@h/d", "percent-encode"),
        (values.mongo_uri, "mongodb://h/?w=1", "w=majority"),
        (values.mongo_uri, "mongodb://h/?W=0", "w=majority"),
        (values.mongo_uri, "mongodb://h/?w=", "w=majority"),
        (values.mongo_uri, "mongodb://h/?retryWrites=true;journal=false", "journal"),
        (values.mongo_uri, "mongodb://h/?j=false", "journal"),
        (values.mongo_uri, "mongodb://h/?readConcernLevel=available", "readConcernLevel"),
        (values.mongo_uri, "mongodb://h/?readPreference=secondaryPreferred", "primary"),
        (values.redis_url, "http://h", "redis://"),
        (values.redis_url, "redis://", "redis://"),
        (values.redis_url, "unix://", "unix://"),
        (values.redis_url, "redis://h:x", "port"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_wrong(check: Callable[[str], object], text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=re.escape(wrong)) as caught:
        check(text)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("x1Y2z3" * 5, "shorter than 32"),
        ("", "shorter than 32"),
        ("a" * 64, "repeats itself"),
        ("k3yK3y!" * 6, "repeats itself"),
        (("0f9e8d7c6b5a" * 4)[:-2], "repeats itself"),
        ("abababab-cdcdcdcd-abcdabcd-dcbadcba", "repeats itself"),
        ("change-me-please-this-is-not-a-good-one", "well-known"),
        ("My_Super_Secret_of_2024_for_the_service", "well-known"),
        ("abcdefghijklmnopqrstuvwxyz0123456789", "well-known"),
        ("192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf", "well-known"),
        ("A-string-secret-at-least-256-bits-long", "well-known"),
        (values.HOW_TO_MAKE_ONE, "well-known"),
        ("q8Zr,LmW2xTn5vKp0sJd7hGf3bYc6aUe1iOt4", "comma"),
    ],
)
def test_a_secret_that_can_be_guessed_is_refused_with_the_command_that_makes_one(key: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong) as caught:
        values.secret_key(key)
    assert values.HOW_TO_MAKE_ONE in str(caught.value)


def test_a_random_secret_is_accepted() -> None:
    for _ in range(500):
        for key in (secrets.token_urlsafe(48), secrets.token_hex(16), secrets.token_urlsafe(24)):
            assert values.secret_key(key) == key
