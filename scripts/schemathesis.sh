#!/usr/bin/env bash
# Installs schemathesis, which holds the HTTP APIs against their OpenAPI
# documents, into an environment of its own below the user's cache. It comes from
# the Python package index; Python 3 is needed.
set -euo pipefail

version=4.32.5 # also named in internal/testenv/schemathesis.go

cache=${XDG_CACHE_HOME:-$HOME/.cache}/kalla
[ "$(uname -s)" != Darwin ] || cache=$HOME/Library/Caches/kalla
dir=$cache/schemathesis-$version
if [ -x "$dir/bin/schemathesis" ]; then
  echo "schemathesis: $version is in $dir"
  exit 0
fi
python=$(command -v python3) || { echo "schemathesis: python3 is not installed" >&2; exit 1; }

# Scripts of an environment name its folder, so it is made in its place; what marks it as whole comes last.
rm -rf -- "$dir"
"$python" -m venv "$dir" || { echo "schemathesis: python3 has no venv; on Debian: apt-get install python3-venv" >&2; exit 1; }
"$dir/bin/python" -m pip install --quiet --disable-pip-version-check "schemathesis==$version" || { rm -rf -- "$dir"; exit 1; }
