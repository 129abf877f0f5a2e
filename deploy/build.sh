#!/usr/bin/env bash
# Builds the images of the service and of its nginx, named by the version: deploy/build.sh [--push REGISTRY]
# With --push they are named for a registry and pushed there: deploy/build.sh --push registry.example.com/accounts
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

main() {
  local registry=
  case "$#:${1:-}" in
    0:) ;;
    2:--push) registry=${2%/} ;;
    *) fail "Usage: deploy/build.sh [--push REGISTRY]" ;;
  esac
  command -v docker >/dev/null || fail "Docker is missing: install it."

  VERSION=$(sed -nE 's/^__version__ = "(.+)"$/\1/p' app/platform/version.py)
  REVISION=$(revision)
  build latchkey . "$registry"
  build latchkey-nginx nginx "$registry"
}

# The commit that is built, with -dirty if there are uncommitted changes: no commit contains those.
revision() {
  local commit
  commit=$(git rev-parse HEAD)
  [ -z "$(git status --porcelain)" ] || commit=$commit-dirty
  echo "$commit"
}

# build NAME FOLDER REGISTRY: builds the image of a folder, and pushes it if a registry is given.
build() {
  local image=${3:+$3/}$1:$VERSION
  docker build --tag "$image" \
    --label "org.opencontainers.image.version=$VERSION" --label "org.opencontainers.image.revision=$REVISION" "$2"
  echo "$image"
  if [ -n "$3" ]; then
    docker push "$image"
  fi
}

fail() {
  echo "$*" >&2
  exit 1
}

main "$@"
