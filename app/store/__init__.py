"""The databases: connections, transactions, migrations, and what repositories share. It knows no entity."""
