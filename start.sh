#!/usr/bin/env bash
# Starts the stack, waits until everything is healthy, and prints its addresses: ./start.sh [OVERLAY...]
# An overlay is a file of deploy/compose/ without its .yaml: `./start.sh full`. It can be run again at any time.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"
readonly DEADLINE=${START_SECONDS:-300} # seconds for the containers to become healthy

main() {
  if [ "${1:-}" = -h ] || [ "${1:-}" = --help ]; then
    usage
    return
  fi
  find_compose
  add_files "$@"
  "${COMPOSE[@]}" up --build --detach --remove-orphans || came_to_nothing $?
  wait_until_well
  say_where
}

usage() {
  echo "Usage: ./start.sh [OVERLAY...]"
  echo "Starts the stack of docker-compose.yaml, with overlays of deploy/compose/: $(overlays)."
  echo "START_SECONDS (300) is how long it waits for the stack to become healthy."
}

overlays() {
  local files=(deploy/compose/*.yaml)
  files=("${files[@]##*/}")
  echo "${files[*]%.yaml}"
}

# Sets COMPOSE to the command of Compose 2 or Compose 1.
find_compose() {
  command -v docker >/dev/null || fail "Docker is missing: install Docker Engine or Docker Desktop, with Compose."
  if docker compose version >/dev/null 2>&1; then
    COMPOSE=(docker compose)
  elif command -v docker-compose >/dev/null; then
    COMPOSE=(docker-compose)
  else
    fail "Docker Compose is missing: install docker-compose-v2, docker-compose-plugin or docker-compose."
  fi
  docker info >/dev/null 2>&1 ||
    fail "Docker does not answer: start it (systemctl start docker), and allow this user to use it (group docker, or sudo)."
}

# Adds the files of the overlays to COMPOSE, and the override file, which Compose reads on its own only without overlays.
add_files() {
  [ $# -gt 0 ] || return 0
  local name
  COMPOSE+=(-f docker-compose.yaml)
  for name in "$@"; do
    [ -e "deploy/compose/$name.yaml" ] || fail "There is no overlay $name: use one of" "$(overlays)."
    COMPOSE+=(-f "deploy/compose/$name.yaml")
  done
  [ ! -e docker-compose.override.yaml ] || COMPOSE+=(-f docker-compose.override.yaml)
}

wait_until_well() {
  echo "Waiting until everything is healthy."
  local end=$((SECONDS + DEADLINE))
  until all_is_well; do
    if [ $SECONDS -ge $end ]; then
      "${COMPOSE[@]}" ps >&2
      fail "Not everything became healthy within $DEADLINE seconds. $(what_to_read)"
    fi
    sleep 1
  done
}

# Whether every container of the stack is healthy, or has exited with 0.
all_is_well() {
  local containers states
  containers=$("${COMPOSE[@]}" ps --all --quiet)
  [ -n "$containers" ] || return 1
  # shellcheck disable=SC2086 # one word per container
  states=$(docker inspect --format \
    '{{.State.Status}} {{.State.ExitCode}} {{with .State.Health}}{{.Status}}{{end}}' $containers) || return 1
  ! grep -qvxE 'running 0 ?(healthy)?|exited 0( .*)?' <<<"$states"
}

say_where() {
  local config url
  config=$("${COMPOSE[@]}" config)
  url=$(value PUBLIC_URL "$config")
  [ -n "$url" ] || url=$(guessed_url "$(value PUBLISHED_PORT "$config")")
  echo
  echo "Latchkey runs."
  echo "  API         $url"
  echo "  Swagger     $url/swagger/"
  if grep -q '^  grafana:' <<<"$config"; then
    echo "  Prometheus  http://$("${COMPOSE[@]}" port prometheus 9090)"
    echo "  Grafana     $(value GF_SERVER_ROOT_URL "$config"), as admin; the password:"
    echo "              ${COMPOSE[*]} exec grafana cat /run/secrets/password"
  fi
  echo "To create the first administrator (the command asks for a password):"
  echo "  ${COMPOSE[*]} exec app flask users create --role admin --email admin@example.com"
}

# came_to_nothing STATUS: exits with the status of `up`, and says where to find the cause.
came_to_nothing() {
  echo "The stack did not start. $(what_to_read)" >&2
  exit "$1"
}

# The last line of a failed start says why it failed.
what_to_read() {
  echo "Read first: ${COMPOSE[*]} logs --tail=50 secrets app; the whole log: ${COMPOSE[*]} logs"
}

# guessed_url [ADDRESS:]PORT: the PUBLIC_URL that the service uses if none is set.
guessed_url() {
  local port=${1##*:}
  echo "http://localhost$([ "$port" = 80 ] || echo ":$port")"
}

# value NAME CONFIG: the value of a variable in the merged configuration of Compose.
value() {
  sed -nE "s/^ +$1: *['\"]?([^'\"]*)['\"]?\$/\1/p" <<<"$2" | head -n 1
}

fail() {
  echo "$*" >&2
  exit 1
}

main "$@"
