"""What the errors of each driver mean: whether the connection is dropped, and whether the request may come again."""

import sqlite3
from contextlib import suppress

import psycopg
import pymysql
import pytest
from psycopg import errors as postgresql
from pymysql.err import raise_mysql_exception

from app.store.sql import mysql_errors, postgresql_errors
from app.store.sql.answers import Answer
from app.store.sql.backends import backend_of

SQLSTATES = {
    Answer.ELSEWHERE: ["08000", "08006", "08P01", "25006", "25P03", "25P04", "57P01", "57P02", "57P03", "57P05"],
    Answer.LATER: ["40001", "40P01", "53000", "53100", "53200", "53300", "55P03", "57014", "58000", "58030"],
    Answer.REFUSED: ["42501", "42P01", "42703", "3F000", "26000", "42P05", "0A000", "XX001"],
    Answer.FAULT: ["22001", "22021", "23503", "23505"],
}
MYSQL_CODES = {
    Answer.ELSEWHERE: [1047, 1053, 1290, 1792, 1836, 1874, 1927, 2003, 2006, 2013, 3100, 3101, 4031],
    Answer.LATER: [1021, 1030, 1037, 1040, 1041, 1114, 1203, 1205, 1213, 1226, 1317, 1969, 3024],
    Answer.REFUSED: [1054, 1142, 1143, 1146, 1227],
    Answer.FAULT: [1062, 1264, 1406, 1452],
}
SQLITE_CODES = {
    Answer.ELSEWHERE: [sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_CANTOPEN],
    Answer.LATER: [sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_BUSY_SNAPSHOT, sqlite3.SQLITE_LOCKED],
    Answer.REFUSED: [sqlite3.SQLITE_ERROR, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT],
    Answer.FAULT: [sqlite3.SQLITE_CONSTRAINT_UNIQUE],
}


def cases(codes: dict[Answer, list[str]] | dict[Answer, list[int]]) -> list[tuple[str | int, Answer]]:
    return [(code, answer) for answer, of_answer in codes.items() for code in of_answer]


@pytest.mark.parametrize(("code", "answer"), cases(SQLSTATES))
def test_an_sqlstate_decides_what_happens_to_the_connection(code: str, answer: Answer) -> None:
    kind = type("Unnamed", (psycopg.Error,), {"sqlstate": code})
    with suppress(KeyError):  # of a newer server than the driver knows
        kind = postgresql.lookup(code)
    assert postgresql_errors.answer_of(kind("refused")) is answer


def test_an_error_of_psycopg_without_a_code_is_a_lost_connection_or_a_wrong_option() -> None:
    assert postgresql_errors.answer_of(psycopg.OperationalError("the connection is lost")) is Answer.ELSEWHERE
    assert postgresql_errors.answer_of(psycopg.errors.ConnectionTimeout("expired")) is Answer.ELSEWHERE
    assert postgresql_errors.answer_of(psycopg.InterfaceError("the connection is closed")) is Answer.ELSEWHERE
    assert postgresql_errors.answer_of(psycopg.ProgrammingError("invalid connection option")) is Answer.REFUSED


@pytest.mark.parametrize(("code", "answer"), cases(MYSQL_CODES))
def test_an_error_number_of_mysql_decides_what_happens_to_the_connection(code: int, answer: Answer) -> None:
    packet = b"\xff" + code.to_bytes(2, "little") + b"#HY000refused"
    with pytest.raises(pymysql.Error) as raised:
        raise_mysql_exception(packet)
    assert raised.value.args[0] == code
    assert mysql_errors.answer_of(raised.value) is answer


@pytest.mark.parametrize(("code", "answer"), cases(SQLITE_CODES))
def test_an_error_code_of_sqlite_decides_what_happens_to_the_connection(code: int, answer: Answer) -> None:
    error = sqlite3.OperationalError("refused")
    error.sqlite_errorcode = code
    assert backend_of("sqlite:////tmp/x.db").answer_of(error) is answer
