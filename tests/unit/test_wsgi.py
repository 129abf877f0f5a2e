"""What a process of gunicorn loads, and how it is left for the workers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.e2e.settings import in_testing, on_sqlite

ROOT = Path(__file__).parents[2]


def test_the_collector_of_garbage_works_once_all_is_loaded_and_passes_over_that(tmp_path: Path) -> None:
    script = (
        "import gc, runpy; runpy.run_path('gunicorn.conf.py'); import app.wsgi;"
        "print(gc.isenabled(), gc.get_freeze_count() > 100_000)"
    )
    environment = {"PYTHONPATH": str(ROOT), **in_testing(**on_sqlite(tmp_path))}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, check=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "True True"
