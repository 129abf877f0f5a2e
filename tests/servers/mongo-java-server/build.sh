#!/usr/bin/env bash
# Fetches mongo-java-server with Maven and compiles its launcher into .tools/ at the project's root.
# Does nothing when that was done from the same sources already.
set -euo pipefail

sources=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tools=$(cd "$sources/../../.." && pwd)/.tools
target=$tools/mongo-java-server
state=$(cat "$sources"/{pom.xml,Launcher.java,build.sh} | sha256sum)

if [ "$(cat "$target/built-from" 2>/dev/null || true)" = "$state" ]; then
  exit 0
fi

mkdir -p "$tools"
work=$(mktemp -d "$tools/build.XXXXXX")
trap 'rm -rf "$work"' EXIT

mvn -q -B -f "$sources/pom.xml" dependency:copy-dependencies -DoutputDirectory="$work/lib"
javac -cp "$work/lib/*" -d "$work/classes" "$sources/Launcher.java"
echo "$state" >"$work/built-from"

rm -rf "$target"
mv "$work" "$target"
chmod 755 "$target"
