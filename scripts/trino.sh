#!/usr/bin/env bash
# Fetches Trino, the engine of a cluster, without the connectors that Kalla does
# not use.
#
#   trino.sh [DIR]
#   trino.sh --where     prints the DIR that it would be, and does nothing
#
# DIR defaults to the place in the user's cache where Kalla looks by itself
# (~/.cache/kalla/trino-VERSION); any other is to be named in KALLA_TRINO_HOME.
# What is there already is left alone. It comes from Maven's central repository,
# or from the mirror that Maven is set up to use, so Maven is needed; running it
# takes Java 24 or later, which the script looks for. The download is 820 MB.
set -euo pipefail

version=476 # also named in internal/cluster/home.go
plugins=(hive exchange-filesystem memory tpch) # the last two are for trying things out

cache=${XDG_CACHE_HOME:-$HOME/.cache}/kalla
[ "$(uname -s)" != Darwin ] || cache=$HOME/Library/Caches/kalla
dir=$cache/trino-$version
case "${1:-}" in
  --where) echo "$dir"; exit ;;
  ?*) dir=$1 ;;
esac

java_version() { sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "$1/release" 2>/dev/null; }

java_found=
for home in "${KALLA_JAVA_HOME:-}" "${JAVA_HOME:-}" /usr/lib/jvm/*; do
  [ -n "$home" ] && [ -x "$home/bin/java" ] || continue
  found=$(java_version "$home")
  if [ "${found:-0}" -ge 24 ]; then java_found=$home; break; fi
done
[ -n "$java_found" ] || echo "trino: Java 24 or later is missing, which Trino runs on: install Eclipse Temurin 25 below /usr/lib/jvm, or name its folder in KALLA_JAVA_HOME" >&2

if [ -d "$dir/lib" ]; then
  echo "trino: $version is in $dir"
  [ -n "$java_found" ] || exit 1
  exit 0
fi
command -v mvn >/dev/null || { echo "trino: Maven is not installed; on Debian: apt-get install maven" >&2; exit 1; }

# Everything happens beside the place, and the whole is moved there at the end,
# so that an interrupted run leaves nothing that looks like Trino. What one that
# was killed has left is removed by the next.
mkdir -p "$(dirname "$dir")"
rm -rf -- "$dir".partial-*
temp=$(mktemp -d "$dir.partial-XXXXXX")
trap 'rm -rf -- "$temp"' EXIT

# A local repository of its own: nothing of 820 MB stays in that of the user. What is
# there (plugins of Maven) is read.
echo "trino: fetching $version"
mvn --batch-mode --quiet -Dmaven.repo.local="$temp/repository" \
  -Dmaven.repo.local.tail="${MAVEN_REPOSITORY:-$HOME/.m2/repository}" \
  org.apache.maven.plugins:maven-dependency-plugin:3.8.1:get \
  -Dartifact="io.trino:trino-server:$version:tar.gz" -Dtransitive=false >&2
tarball=$temp/repository/io/trino/trino-server/$version/trino-server-$version.tar.gz

# The archive holds many files once and links to them, so no part of it can be unpacked alone.
tar -xzf "$tarball" -C "$temp"
rm -f -- "$tarball"
whole=$temp/trino-server-$version
[ -e "$whole/lib/io.trino_trino-main-$version.jar" ] || { echo "trino: the archive is not what it should be" >&2; exit 1; }
for plugin in "$whole"/plugin/*; do
  [[ " ${plugins[*]} " == *" ${plugin##*/} "* ]] || rm -rf -- "$plugin"
done
rm -rf -- "$whole/bin" "$whole/secrets-plugin"
[ ! -e "$dir" ] || rm -rf -- "$dir"
mv "$whole" "$dir"
echo "trino: $version added to $dir"
[ -n "$java_found" ]
