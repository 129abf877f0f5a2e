"""The store on SQL, through SQLAlchemy Core: SQLite, PostgreSQL, MySQL and MariaDB.

One class a repository, named like the files of the Protocols; what differs between the products lies in
`sqlite.py`, `postgresql.py` and `mysql.py`, and nowhere else.
"""
