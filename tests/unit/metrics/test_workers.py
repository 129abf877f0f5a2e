"""The memory and processor time of a worker are read from the machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from app.metrics.workers import WorkerUsage

ROOT = Path(__file__).parents[3]


def usage(**workers: int) -> dict[tuple[str, str], float]:
    """Each number, by metric and worker."""
    found = WorkerUsage(lambda: workers).collect()
    return {(sample.name, sample.labels["worker"]): sample.value for metric in found for sample in metric.samples}


def test_memory_and_processor_time_are_those_of_the_process() -> None:
    found = usage(one=os.getpid(), other=os.getppid())
    assert found.keys() == {
        (f"latchkey_worker_{name}", worker)
        for name in ("resident_memory_bytes", "cpu_seconds_total")
        for worker in ("one", "other")
    }
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    resident = int(status["VmRSS"].split()[0]) * 1024
    assert abs(found["latchkey_worker_resident_memory_bytes", "one"] - resident) < resident / 2
    assert 0 < found["latchkey_worker_cpu_seconds_total", "one"] <= sum(os.times()[:2]) + 0.1


def test_a_worker_that_ended_meanwhile_is_left_out() -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    assert usage(gone=process.pid) == {}


def test_nothing_is_loaded_if_nobody_may_read_the_metrics() -> None:
    """It would cost memory."""
    program = (
        "import sys; from app import config, create_app\n"
        "create_app(config.load({'FLASK_ENV': 'testing'}, dotenv=None))\n"
        "print('prometheus_client' in sys.modules)"
    )
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "False\n"
