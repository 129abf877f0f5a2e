#!/usr/bin/env bash
# restore.sh [--replace] [--secret-into FILE] [--identity FILE] ARCHIVE: restores an archive of backup.sh. Stop the service
# first. Run it where the service runs, with the same settings: the environment, and the .env of the current folder.
set -euo pipefail
umask 077

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export PYTHONPATH="$root"
exec "${PYTHON:-$root/.venv/bin/python}" -m deploy.archive restore "$@"
