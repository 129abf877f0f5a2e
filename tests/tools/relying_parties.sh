#!/usr/bin/env bash
# relying_parties.sh go|spring: builds, as .tools/relying_parties/NAME, a client of the authorization server from
# tests/tools/relying_parties/, with the packages that it pins. Does nothing when that was done from the same sources already.
set -euo pipefail

name=$1
folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
sources=$folder/relying_parties/$name
tools=$(cd "$folder/../.." && pwd)/.tools
target=$tools/relying_parties/$name

main() {
  local state
  state=$(find "$sources" "$folder/relying_parties.sh" -type f | sort | xargs cat | sha256sum)
  if [ "$(cat "$target/built-from" 2>/dev/null || true)" = "$state" ]; then
    return
  fi
  mkdir -p "$tools/relying_parties"
  work=$(mktemp -d "$tools/relying_parties/build.XXXXXX")
  trap 'rm -rf "$work"' EXIT

  "make_$name"
  echo "$state" >"$work/built-from"
  rm -rf "$target"
  mv "$work" "$target"
}

make_go() {
  export GOTOOLCHAIN=auto GO111MODULE=on GOFLAGS='-modcacherw -buildvcs=false'
  export GOMODCACHE=$tools/go/modules GOCACHE=$tools/go/cache
  local go
  go=$(cd "$work" && "$folder/recent_go.sh")
  (cd "$sources" && "$go" build -o "$work/relying-party" .)
}

make_spring() {
  mvn -q -B -f "$sources/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$work/lib"
  javac -parameters -cp "$work/lib/*" -d "$work/classes" "$sources"/*.java
}

main
