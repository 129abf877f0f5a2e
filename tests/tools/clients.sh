#!/usr/bin/env bash
# clients.sh LANGUAGE: fetches, as .tools/clients/LANGUAGE, what makes a client of the OpenAPI document in that language
# and what such a client needs: python, typescript, go or java. Does nothing when that was done from the same pins already.
set -euo pipefail

language=$1
folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
sources=$folder/clients/$language
tools=$(cd "$folder/../.." && pwd)/.tools
target=$tools/clients/$language

main() {
  local state
  state=$(find "$sources" "$folder/clients.sh" -type f ! -iname 'client.*' | sort | xargs cat | sha256sum)
  if [ "$(cat "$target/built-from" 2>/dev/null || true)" = "$state" ]; then
    return
  fi
  mkdir -p "$tools/clients"
  work=$(mktemp -d "$tools/clients/build.XXXXXX")
  trap 'rm -rf "$work"' EXIT

  "make_$language"
  echo "$state" >"$work/built-from"
  rm -rf "$target"
  mv "$work" "$target"
}

make_python() {
  "${PYTHON:-python3}" -m venv "$work"
  "$work/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$sources/requirements.txt"
}

make_typescript() {
  cp "$sources"/{package.json,package-lock.json,.npmrc} "$work"
  (cd "$work" && npm ci --ignore-scripts --no-audit --no-fund)
}

make_go() {
  export GOTOOLCHAIN=auto GO111MODULE=on GOFLAGS='-modcacherw -buildvcs=false'
  export GOMODCACHE=$tools/go/modules GOCACHE=$tools/go/cache
  local go
  go=$(cd "$work" && "$folder/recent_go.sh")
  (cd "$sources" && "$go" mod download && "$go" build -o "$work/oapi-codegen" github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen)
  ln -s "$go" "$work/go"
}

make_java() {
  mvn -q -B -f "$sources/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$work/lib"
  mvn -q -B -f "$sources/pom.xml" dependency:copy-dependencies -DincludeArtifactIds=openapi-generator-cli \
    -Dmdep.stripVersion -DoutputDirectory="$work/generator"
}

main
