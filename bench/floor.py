"""The floor: the least that Flask can do."""

from __future__ import annotations

from flask import Flask

app = Flask(__name__)


@app.get("/ping")
def ping() -> dict[str, str]:
    """Answer at once."""
    return {"status": "ok"}
