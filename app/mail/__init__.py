"""Mail: the text of letters (`letters`), and the ways to send them (`smtp`, `maildir`). No Flask, no store."""
