"""The rules of access are tried on the running service: the fixtures are those of tests/api."""

from tests.api.conftest import admin, log_file, new_database, patience, service, start

__all__ = ["admin", "log_file", "new_database", "patience", "service", "start"]
