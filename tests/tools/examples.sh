#!/usr/bin/env bash
# examples.sh express|go: makes an example of examples/ ready to run in .tools/examples/, with the packages it pins.
# Does nothing when that was done from the same sources already.
set -euo pipefail

example=$1
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
sources=$root/examples/$example
target=$root/.tools/examples/$example
go_when_too_old=golang.org/toolchain@v0.0.1-go1.25.5

main() {
  local state
  state=$(find "$sources" "${BASH_SOURCE[0]}" -maxdepth 1 -type f ! -name README.md | sort | xargs cat | sha256sum)
  if [ "$(cat "$target/built-from" 2>/dev/null || true)" = "$state" ]; then
    return
  fi
  mkdir -p "$root/.tools/examples"
  work=$(mktemp -d "$root/.tools/examples/build.XXXXXX")
  trap 'rm -rf "$work"' EXIT

  "make_$example"
  echo "$state" >"$work/built-from"
  rm -rf "$target"
  mv "$work" "$target"
}

make_express() {
  cp "$sources"/{package.json,package-lock.json,server.js} "$work"
  (cd "$work" && npm ci --ignore-scripts --no-audit --no-fund)
}

make_go() {
  export GOTOOLCHAIN=auto GO111MODULE=on GOFLAGS='-modcacherw -buildvcs=false'
  export GOMODCACHE=$root/.tools/go/modules GOCACHE=$root/.tools/go/cache
  local go
  go=$(cd "$work" && recent_go)
  (cd "$sources" && "$go" build -o "$work/hello" .)
}

# Since 1.21 Go fetches the version that go.mod asks for by itself. An older one (Debian 12: 1.19) is used to fetch it.
recent_go() {
  if [ "$(printf '%s\n' go1.21 "$(go env GOVERSION)" | sort -V | head -n 1)" = go1.21 ]; then
    command -v go
    return
  fi
  local toolchain
  toolchain=$(go mod download -json "$go_when_too_old.$(go env GOOS)-$(go env GOARCH)" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  chmod +x "$toolchain"/bin/* "$toolchain"/pkg/tool/*/*
  echo "$toolchain/bin/go"
}

main
