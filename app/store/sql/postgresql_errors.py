"""What PostgreSQL's errors mean (its manual, appendix A: PostgreSQL Error Codes), and what to do about some of them."""

from __future__ import annotations

import re
from typing import Final

import psycopg

from app.store.sql.answers import Answer

_BY_CODE: Final = {
    "08": Answer.ELSEWHERE,  # connection exception; poolers use it, too
    "25006": Answer.ELSEWHERE,  # read_only_sql_transaction: a standby, or a primary that was made read-only
    "25P03": Answer.ELSEWHERE,  # idle_in_transaction_session_timeout and
    "25P04": Answer.ELSEWHERE,  # transaction_timeout end the session
    "57P": Answer.ELSEWHERE,  # shutdown, crash, recovery, a dropped database, an idle session
    "40": Answer.LATER,  # rolled back: a deadlock, a serialization failure
    "53": Answer.LATER,  # disk full, out of memory, too many connections
    "55": Answer.LATER,  # a lock that is not available
    "57": Answer.LATER,  # cancelled
    "58": Answer.LATER,  # an error of the system around it, such as I/O
    "72": Answer.LATER,  # a snapshot that is too old
    "22": Answer.FAULT,
    "23": Answer.FAULT,
}
"""By SQLSTATE or its beginning; the longest match applies."""

_POOLER: Final = (
    "a pooler gave the statement another connection than the one that had prepared it: add ?prepare_threshold=none to"
    " DATABASE_URL"
)
_FILES: Final = (
    "sslrootcert, sslcert and sslkey in DATABASE_URL have to name files that this user can read; sslrootcert holds the"
    " authority of the server's certificate"
)
_POOLER_OPTION: Final = "the pooler refuses an option: take it out of DATABASE_URL, or connect to the server itself"
_OPTIONS: Final = "see the options after ? in DATABASE_URL"
_REMEDIES: Final = (
    (r'role "([^"]+)" does not exist', "make it (CREATE ROLE), or name another user in DATABASE_URL"),
    (r'database "([^"]+)" does not exist', "make it (CREATE DATABASE), or name another one in DATABASE_URL"),
    (r"password authentication failed|no password supplied", "write the right user and password into DATABASE_URL"),
    (r"no pg_hba\.conf entry .*(no encryption|SSL off)", "add ?sslmode=require to DATABASE_URL"),
    (r"no pg_hba\.conf entry|is not permitted to log in", "let the server admit this user: see its pg_hba.conf"),
    (r"permission denied for database", "let an administrator run GRANT CONNECT ON DATABASE"),
    (r"does not support SSL", "take sslmode out of DATABASE_URL, or turn TLS on at the server"),
    (r"server certificate for .* does not match", "name the host in DATABASE_URL as the certificate has it"),
    (r"certificate file|private key file|root\.crt|certificate verify failed", _FILES),
    (r"could not (load|read).*(certificate|key)", _FILES),
    (r"unsupported startup parameter", _POOLER_OPTION),
    (r"invalid (connection option|.* value)|bad value for|must be specified", _OPTIONS),
    (r"parameter .* cannot be changed|unrecognized configuration", _OPTIONS),
)
"""The texts of errors while connecting, which have no code, and the remedy for each."""


def answer_of(error: BaseException) -> Answer:
    """What an error of psycopg means."""
    if not isinstance(error, psycopg.Error):
        return Answer.FAULT
    code = error.sqlstate
    if code is None:  # psycopg's own, or libpq's: mostly there is no connection
        lost = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        return Answer.ELSEWHERE if lost else Answer.REFUSED
    if error.diag.source_function == "RevalidateCachedQuery":  # a migration changed the table of a prepared statement
        return Answer.ELSEWHERE
    for length in (5, 3, 2):
        if code[:length] in _BY_CODE:
            return _BY_CODE[code[:length]]
    return Answer.REFUSED


def remedy(error: BaseException) -> str | None:
    """What an operator has to do; None for an error that may pass by itself."""
    match getattr(error, "sqlstate", None):
        case "42501" if found := re.search(r"for schema (\S+)", str(error)):  # from PostgreSQL 15 on, of `public`, too
            schema = found[1]
            return f"let an administrator run GRANT USAGE, CREATE ON SCHEMA {schema} TO the user of DATABASE_URL"
        case "42501":
            return "let the user of DATABASE_URL own the tables of this database"
        case "3F000":
            return "the search_path names no schema that exists: make it (CREATE SCHEMA)"
        case "26000" | "42P05":
            return _POOLER
        case None:
            return next((told for pattern, told in _REMEDIES if re.search(pattern, str(error))), None)
    return None
