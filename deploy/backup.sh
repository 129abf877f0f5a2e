#!/usr/bin/env bash
# backup.sh --recipient WHO FOLDER: backs up the store and SECRET_KEY into an archive in FOLDER, encrypted for WHO.
# backup.sh --without-secret FOLDER: without SECRET_KEY; encrypted only with --recipient. One of the two is required.
# Run it where the service runs, with the same settings: the environment, and the .env of the current folder.
set -euo pipefail
umask 077

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export PYTHONPATH="$root"
exec "${PYTHON:-$root/.venv/bin/python}" -m deploy.archive backup "$@"
