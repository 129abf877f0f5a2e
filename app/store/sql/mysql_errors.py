"""What the errors of MySQL and MariaDB mean (their "Server Error Reference"), and what to do about some of them."""

from __future__ import annotations

from typing import Final

import pymysql

from app.store.sql.answers import Answer

_ELSEWHERE: Final = frozenset(
    {
        # The server is read-only: the option, InnoDB, a transaction or a hook of the replication says so.
        *(1290, 1792, 1836, 1874, 3100, 3101),
        # Galera: a node that is not part of the cluster.
        1047,
        # The server stops, or ended the session; the network failed.
        *(1053, 1152, 1153, 1154, 1155, 1156, 1157, 1158, 1159, 1160, 1161, 1184, 1927, 3032, 3169, 4031),
    }
)
_REFUSED: Final = frozenset(
    {
        *(1054, 1064, 1072, 1146, 1176, 1305),  # a column, a table, an index that is not there
        *(1142, 1143, 1227, 1370, 1410),  # a right that is missing
    }
)
_CLIENT: Final = range(2000, 3000)
"""The client's own codes: no connection, or a lost one."""
_REMEDIES: Final = {
    1044: "let an administrator run GRANT ALL ON the database TO the user of DATABASE_URL",
    1045: "write the right user and password into DATABASE_URL",
    1049: "make it (CREATE DATABASE), or name another one in DATABASE_URL",
    1142: "let an administrator run GRANT ALL ON the database TO the user of DATABASE_URL",
    1251: "give the user of DATABASE_URL a password by mysql_native_password or caching_sha2_password",
    1698: "give the user of DATABASE_URL a password: it may not log in from here without one",
    3159: "the server wants TLS: add ?ssl-mode=REQUIRED to DATABASE_URL",
}


def answer_of(error: BaseException) -> Answer:
    """What an error of PyMySQL means."""
    if isinstance(error, pymysql.IntegrityError | pymysql.DataError):
        return Answer.FAULT
    if not isinstance(error, pymysql.Error):
        return Answer.FAULT
    code = code_of(error)
    if code in _ELSEWHERE or code in _CLIENT or isinstance(error, pymysql.InterfaceError):
        return Answer.ELSEWHERE
    if code in _REFUSED:
        return Answer.REFUSED
    # Full disks and memory (1021, 1037, 1041, 1114), too many connections (1040, 1203, 1226), locks (1205, 1213) ...
    return Answer.LATER if isinstance(error, pymysql.OperationalError | pymysql.InternalError) else Answer.REFUSED


def remedy(error: BaseException) -> str | None:
    """What an operator has to do; None for an error that may pass by itself."""
    if "certificate verify failed" in str(error) or "ostname mismatch" in str(error):
        return "ssl_ca in DATABASE_URL has to hold the authority of the server's certificate, which names the host"
    if "doesn't support it" in str(error):
        return "the server speaks no TLS: take ssl-mode out of DATABASE_URL, or turn it on there"
    return _REMEDIES.get(code_of(error))


def code_of(error: BaseException) -> int:
    """The number of the server's error; 0 if it has none."""
    return error.args[0] if error.args and isinstance(error.args[0], int) else 0
