"""SQLite, PostgreSQL and MySQL: engines, transactions, migrations."""
