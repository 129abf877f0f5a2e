"""A run of the benchmarks: what was measured stays measured."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.figures import GOALS
from bench.parts import PARTS, measure
from bench.scenarios import Samples
from bench.servers import ROOT, production, stock_settings


def test_a_part_prints_its_rows_as_it_ends_and_before_the_next_begins(capsys: pytest.CaptureFixture[str]) -> None:
    printed = []

    def second() -> Samples:
        printed.append(capsys.readouterr().out)
        return {"me": [1.5]}

    assert measure({"health": lambda: {"health": [0.5]}, "me": second}, lambda _: None) == []
    assert printed[0].startswith("GET /health ")


def test_a_part_that_fails_is_printed_and_the_others_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> Samples:
        raise KeyError("data")

    kept: list[Samples] = []
    failed = measure({"health": broken, "me": lambda: {"me": [1.5]}}, kept.append)
    assert failed == ["health"]
    assert kept == [{"me": [1.5]}]
    out = capsys.readouterr().out
    assert "health: FAILED: KeyError('data')" in out
    assert "GET /auth/me, SQLite" in out


def test_a_run_with_a_part_that_failed_exits_with_1(tmp_path: Path) -> None:
    # Without Java there is nothing that speaks MongoDB's protocol; a wrk that is never called stands for the real one.
    (tmp_path / "wrk").touch(mode=0o755)
    environment = {"PATH": str(tmp_path), "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-m", "bench", "me-mongo", "--rounds", "1"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (run.returncode, "me-mongo: FAILED" in run.stdout) == (1, True), run.stderr


def test_the_floor_is_stock_gunicorn_as_wide_as_the_service(tmp_path: Path) -> None:
    shipped = production(tmp_path, {"DATABASE_URL": f"sqlite:///{tmp_path}/latchkey.db"})
    settings = stock_settings(shipped | {"WEB_CONCURRENCY": "3", "HASH_THREADS": "2", "HASH_QUEUE": "5"})
    assert settings == {
        "worker_class": "gthread",
        "control_socket_disable": True,
        "workers": 3,
        "threads": 2 + 5 + 32,
        "keepalive": 75,
        "worker_connections": 1000,
    }


def test_every_goal_belongs_to_a_part() -> None:
    assert [goal.name for goal in GOALS if not any(goal.name.startswith(part) for part in PARTS)] == []
