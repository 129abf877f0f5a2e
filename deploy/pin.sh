#!/usr/bin/env bash
# Pins every third-party image to the digest that its registry now has for its tag, in the files of the project. Run it
# again to update the digests; `git diff` shows what changed. It needs Docker with buildx, and the network.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly FILES=(Dockerfile nginx/Dockerfile docker-compose.yaml deploy/compose/*.yaml deploy/swarm/stack.yaml)
readonly DIGEST='@sha256:[0-9a-f]{64}'

main() {
  command -v docker >/dev/null || fail "Docker is missing: install it."
  local image digest changes=()
  for image in $(images); do
    digest=$(docker buildx imagetools inspect --format '{{.Manifest.Digest}}' "$image")
    [[ "@$digest" =~ ^$DIGEST$ ]] || fail "$image: its registry names no digest. Nothing was changed."
    changes+=(-e "s~^( *(FROM|image:) +$image)($DIGEST)?( |\$)~\\1@$digest\\4~")
    echo "$image@$digest"
  done
  sed -Ei "${changes[@]}" "${FILES[@]}"
}

# The third-party images, each with its tag.
images() {
  sed -nE "s~^ *(FROM|image:) +([a-z0-9_./-]+:[A-Za-z0-9._-]+)($DIGEST)?( .*)?\$~\\2~p" "${FILES[@]}" | sort -u
}

fail() {
  echo "$*" >&2
  exit 1
}

main "$@"
