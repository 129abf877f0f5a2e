"""What gunicorn loads: `app.wsgi:app`."""

from __future__ import annotations

import gc

import limits.storage  # noqa: F401 - each worker would load it at its first request, after the fork (some 4 MB)

from app import create_app

app = create_app()

# What is loaded by now stays: the collector need not look at it again, and a fork need not copy it (measured: a fifth
# less CPU a request).
gc.collect()
gc.freeze()

# A page of users makes more objects than the 700 at which the collector looks for cycles (a sixth of its CPU).
gc.set_threshold(10_000)
gc.enable()  # gunicorn.conf.py disabled it
