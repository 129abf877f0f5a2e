#!/usr/bin/env bash
# kustomize.sh: builds the pinned kustomize as .tools/kustomize/kustomize. Does nothing when that was done already.
set -euo pipefail

module=sigs.k8s.io/kustomize/kustomize/v5@v5.7.1
folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tools=$(cd "$folder/../.." && pwd)/.tools
target=$tools/kustomize

main() {
  if [ "$(cat "$target/built-from" 2>/dev/null || true)" = "$module" ]; then
    return
  fi
  mkdir -p "$tools"
  work=$(mktemp -d "$tools/kustomize.XXXXXX")
  trap 'rm -rf "$work"' EXIT

  export GOTOOLCHAIN=auto GO111MODULE=on GOFLAGS='-modcacherw -buildvcs=false'
  export GOMODCACHE=$tools/go/modules GOCACHE=$tools/go/cache GOBIN=$work
  local go
  go=$(cd "$work" && "$folder/recent_go.sh")
  (cd "$work" && "$go" install "$module")
  echo "$module" >"$work/built-from"
  rm -rf "$target"
  mv "$work" "$target"
}

main
