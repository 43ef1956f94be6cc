#!/usr/bin/env bash
# Fills a folder with DuckDB's official, signed extensions, for machines that
# cannot or must not fetch them at run time (CI, containers, closed networks).
#
#   duckdb-extensions.sh [DIR] [NAME…]
#
# DIR defaults to the place in the user's cache where Kalla looks by itself
# (~/.cache/kalla/duckdb/VERSION/PLATFORM on Linux); any other is to be named in
# KALLA_DUCKDB_EXTENSIONS. NAMEs default to what the sources of Kalla need;
# iceberg, delta, avro and fts can be named as well.
# Extensions that are there already are left alone. They come from the Python
# package index (packages duckdb-extension-NAME), so Python 3 is needed.
set -euo pipefail

version=1.5.5 # of DuckDB, as in go.mod: an extension loads in exactly this version

case "$(uname -s)-$(uname -m)" in
  Linux-x86_64)  platform=linux_amd64 ;;
  Linux-aarch64) platform=linux_arm64 ;;
  Darwin-x86_64) platform=osx_amd64 ;;
  Darwin-arm64)  platform=osx_arm64 ;;
  *) echo "duckdb-extensions: DuckDB has no extensions for $(uname -sm)" >&2; exit 1 ;;
esac

cache=${XDG_CACHE_HOME:-$HOME/.cache}
[ "$(uname -s)" != Darwin ] || cache=$HOME/Library/Caches
dir=${1:-$cache/kalla/duckdb/v$version/$platform}
if [ $# -gt 1 ]; then
  names=("${@:2}")
else
  names=(postgres_scanner mysql_scanner sqlite_scanner httpfs azure excel encodings)
fi

missing=()
for name in "${names[@]}"; do
  [ -s "$dir/$name.duckdb_extension" ] || missing+=("$name")
done
if [ ${#missing[@]} -eq 0 ]; then
  echo "duckdb-extensions: all ${#names[@]} are in $dir"
  exit 0
fi

temp=$(mktemp -d)
trap 'rm -rf -- "$temp"' EXIT

# pip downloads without installing anything, so Debian's "externally managed"
# Python serves; where there is no pip, a throw-away environment has one.
python=$(command -v python3) || { echo "duckdb-extensions: python3 is not installed" >&2; exit 1; }
if ! "$python" -m pip --version >/dev/null 2>&1; then
  "$python" -m venv "$temp/venv" || { echo "duckdb-extensions: neither pip nor venv; on Debian: apt-get install python3-venv" >&2; exit 1; }
  python=$temp/venv/bin/python
fi

packages=()
for name in "${missing[@]}"; do
  packages+=("duckdb-extension-${name//_/-}==$version")
done
"$python" -m pip download --quiet --no-deps --only-binary=:all: --dest "$temp" "${packages[@]}"

# Each file is moved into place whole, so that an interrupted run leaves no torn extension.
mkdir -p "$dir"
for name in "${missing[@]}"; do
  "$python" - "$temp" "$name" "$version" <<'PY'
import glob, shutil, sys, zipfile
temp, name, version = sys.argv[1:]
(wheel,) = glob.glob(f"{temp}/duckdb_extension_{name}-{version}-*.whl")
with zipfile.ZipFile(wheel) as z:
    (member,) = [m for m in z.namelist() if m.endswith(f"/{name}.duckdb_extension")]
    with z.open(member) as extension, open(f"{temp}/{name}.duckdb_extension", "wb") as out:
        shutil.copyfileobj(extension, out)
PY
  install -m 0644 "$temp/$name.duckdb_extension" "$dir/.$name.partial"
  mv -f "$dir/.$name.partial" "$dir/$name.duckdb_extension"
done

for name in "${names[@]}"; do
  [ -s "$dir/$name.duckdb_extension" ] || { echo "duckdb-extensions: $name is missing from $dir" >&2; exit 1; }
done
echo "duckdb-extensions: ${missing[*]} added to $dir"
