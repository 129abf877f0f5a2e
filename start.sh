#!/usr/bin/env bash
# Brings the stack up, waits until all of it is well, and says where it is: ./start.sh [OVERLAY...]
# An overlay is a file of deploy/compose/ without its .yaml: `./start.sh full`. It can be run again at any time.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"
readonly DEADLINE=${START_SECONDS:-300} # for what was started to become well

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
  echo "Brings the stack of docker-compose.yaml up, with overlays of deploy/compose/: $(overlays)."
  echo "START_SECONDS (300) is how long it waits for the stack to become well."
}

overlays() {
  local files=(deploy/compose/*.yaml)
  files=("${files[@]##*/}")
  echo "${files[*]%.yaml}"
}

# Sets COMPOSE, the command of either generation of Compose.
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
    fail "Docker does not answer: start it (systemctl start docker), and let this user use it (the group docker, sudo)."
}

# Adds the files of the overlays to COMPOSE, and the one that Compose would read by itself if there were none.
add_files() {
  [ $# -gt 0 ] || return 0
  local name
  COMPOSE+=(-f docker-compose.yaml)
  for name in "$@"; do
    [ -e "deploy/compose/$name.yaml" ] || fail "There is no overlay $name: it is one of" "$(overlays)."
    COMPOSE+=(-f "deploy/compose/$name.yaml")
  done
  [ ! -e docker-compose.override.yaml ] || COMPOSE+=(-f docker-compose.override.yaml)
}

wait_until_well() {
  echo "Waiting until all is well."
  local end=$((SECONDS + DEADLINE))
  until all_is_well; do
    if [ $SECONDS -ge $end ]; then
      "${COMPOSE[@]}" ps >&2
      fail "Not all became well within $DEADLINE seconds. $(what_to_read)"
    fi
    sleep 1
  done
}

# Whether every container of the stack is healthy, or has ended as it should.
all_is_well() {
  local containers states
  containers=$("${COMPOSE[@]}" ps --all --quiet)
  [ -n "$containers" ] || return 1
  # shellcheck disable=SC2086 # one word each
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
  echo "The first administrator, whose password it asks for:"
  echo "  ${COMPOSE[*]} exec app flask users create --role admin --email admin@example.com"
}

# came_to_nothing STATUS: ends as `up` did, and says where its cause is written down.
came_to_nothing() {
  echo "The stack did not come up. $(what_to_read)" >&2
  exit "$1"
}

# A start that fails ends with a line that says why.
what_to_read() {
  echo "Read first: ${COMPOSE[*]} logs --tail=50 secrets app; all of it: ${COMPOSE[*]} logs"
}

# guessed_url [ADDRESS:]PORT: what the service takes for its PUBLIC_URL where none is set.
guessed_url() {
  local port=${1##*:}
  echo "http://localhost$([ "$port" = 80 ] || echo ":$port")"
}

# value NAME CONFIG: the value of a variable in what Compose made of its files.
value() {
  sed -nE "s/^ +$1: *['\"]?([^'\"]*)['\"]?\$/\1/p" <<<"$2" | head -n 1
}

fail() {
  echo "$*" >&2
  exit 1
}

main "$@"
