#!/usr/bin/env bash
# examples.sh mcp|express|go|java|webhooks/node|webhooks/go|webhooks/java|login/go|login/java: makes an example of examples/ ready to run in .tools/examples/, with the packages it pins.
# Does nothing when that was done from the same sources already.
set -euo pipefail

example=$1
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
sources=$root/examples/$example
target=$root/.tools/examples/$example

main() {
  local state
  state=$(find "$sources" "$root/tests/tools/examples.sh" -maxdepth 1 -type f ! -name README.md | sort | xargs cat | sha256sum)
  if [ "$(cat "$target/built-from" 2>/dev/null || true)" = "$state" ]; then
    return
  fi
  mkdir -p "$root/.tools/examples"
  work=$(mktemp -d "$root/.tools/examples/build.XXXXXX")
  trap 'rm -rf "$work"' EXIT

  "make_${example//\//_}"
  echo "$state" >"$work/built-from"
  rm -rf "$target"
  mkdir -p "$(dirname "$target")"
  mv "$work" "$target"
}

make_mcp() {
  "${PYTHON:-python3}" -m venv "$work"
  "$work/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$sources/requirements.txt"
}

make_express() {
  cp "$sources"/{package.json,package-lock.json,server.js} "$work"
  (cd "$work" && npm ci --ignore-scripts --no-audit --no-fund)
}

make_go() {
  export GOTOOLCHAIN=auto GO111MODULE=on GOFLAGS='-modcacherw -buildvcs=false'
  export GOMODCACHE=$root/.tools/go/modules GOCACHE=$root/.tools/go/cache
  local go
  go=$(cd "$work" && "$root/tests/tools/recent_go.sh")
  (cd "$sources" && "$go" build -o "$work/hello" .)
}

make_java() {
  mvn -q -B -f "$sources/pom.xml" dependency:copy-dependencies -DoutputDirectory="$work/lib"
  javac -cp "$work/lib/*" -d "$work/classes" "$sources"/*.java
}

make_webhooks_node() {
  make_express
}

make_webhooks_go() {
  make_go
}

make_webhooks_java() {
  make_java
}

make_login_go() {
  make_go
}

make_login_java() {
  make_java
}

main
