"""Mail: what a letter says (`letters`), and the ways it leaves by (`smtp`, `maildir`). No Flask, no store."""
