#!/usr/bin/env bash
# recent_go.sh: prints the path of a Go that fetches the version a module asks for by itself, as Go does since 1.21.
# An older one (Debian 12: 1.19) is used to fetch it. GOMODCACHE says where to.
set -euo pipefail

when_too_old=golang.org/toolchain@v0.0.1-go1.25.5

main() {
  if [ "$(printf '%s\n' go1.21 "$(go env GOVERSION)" | sort -V | head -n 1)" = go1.21 ]; then
    command -v go
    return
  fi
  local toolchain
  toolchain=$(go mod download -json "$when_too_old.$(go env GOOS)-$(go env GOARCH)" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  chmod +x "$toolchain"/bin/* "$toolchain"/pkg/tool/*/*
  echo "$toolchain/bin/go"
}

main
