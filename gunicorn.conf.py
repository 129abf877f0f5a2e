"""How gunicorn serves Latchkey. To configure the service, change its settings, not this file: docs/configuration.md."""

import gc
import os
import sys
from typing import Any

# Nothing that is imported goes again: to look for what could is a fifth of the CPU of a start. `app.wsgi` ends this.
gc.disable()

from app import wired_of, wiring
from app.config import ConfigurationError, load  # not the module: gunicorn would read `config` as its own setting
from app.platform import log
from app.platform.failure import StartError
from app.server.log import GunicornLog
from app.server.worker import Worker

try:
    settings = load()
    log.configure(settings)
except ConfigurationError as error:
    sys.exit(str(error))
except OSError as error:
    sys.exit(f"LOG_FILE: cannot be opened ({error.strerror})")

if settings.monitoring.metrics_allow:
    from app.metrics import sharing  # imported only for metrics, to save memory

    os.environ[sharing.VARIABLE] = str(sharing.begin())  # before `app.wsgi` makes the first metric

bind = settings.server.bind
workers = settings.server.web_concurrency
Worker.longest_body = settings.server.max_body_bytes
worker_class = Worker
# More threads than admitted logins, so that many logins at once cannot starve the requests that carry a token.
threads = settings.passwords.hash_threads + settings.passwords.hash_queue + 32
worker_connections = 1000

preload_app = True
max_requests = 200_000
max_requests_jitter = 20_000
graceful_timeout = 30
timeout = 60
keepalive = 75  # longer than nginx keeps its connections, so that nginx never uses a closed one
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108, PTH112 - gunicorn's heartbeat file

# Only the application reads forwarding headers, and only from TRUSTED_PROXIES.
forwarded_allow_ips = ""
control_socket_disable = True
limit_request_fields = 64
limit_request_line = 8190  # a search of users: the longest prefix, percent-encoded, beside the longest cursor

logger_class = GunicornLog
accesslog = None


def on_starting(_server: Any) -> None:
    """Prepare the store before any worker starts."""
    try:
        wiring.prepare(settings)
    except StartError as error:
        sys.exit(str(error))


def when_ready(server: Any) -> None:
    """Log the addresses of the service and its documentation."""
    server.log.info("Latchkey listens on %s", settings.server.bind)
    server.log.info("API documentation: %s/swagger/", settings.server.public_url)


def post_worker_init(worker: Any) -> None:
    """Start the background jobs."""
    wired_of(worker.wsgi).start()


def worker_exit(_server: Any, worker: Any) -> None:
    """End the threads and connections of a worker."""
    application = getattr(worker, "wsgi", None)
    if application is not None:
        wired_of(application).close()
