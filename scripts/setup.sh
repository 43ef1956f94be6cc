#!/usr/bin/env bash
# Installs what is missing of what building and testing need; what is there is
# left alone.
#
#   setup.sh build    a C++ compiler, which the embedded engine is linked with
#   setup.sh node     nothing: succeeds where there is a Node that can build the web app
#   setup.sh web      Node and Chromium, which the web app is built with and looked at in, and the servers that its
#                     journeys read from: PostgreSQL, an S3 server, DuckDB's extensions
#   setup.sh test     that, PostgreSQL, MariaDB, an S3 server, DuckDB's extensions, schemathesis, Trino
#
# Packages are installed on Debian and its relatives, as root. Elsewhere the
# script says what is missing and fails. Nothing is started: the tests start
# servers of their own.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/kalla
[ "$(uname -s)" != Darwin ] || cache=$HOME/Library/Caches/kalla
versitygw=v1.8.0 # also named in internal/testenv/s3.go

have() { command -v "$1" >/dev/null 2>&1; }

packages=()

need_build() {
  have go || { echo "setup: Go is not installed; the version is in go.mod" >&2; exit 1; }
  local cc=${CC:-gcc} cxx=${CXX:-g++} # may carry flags
  { have "${cc%% *}" && have "${cxx%% *}"; } || packages+=(build-essential)
  have make || packages+=(make)
}

need_test() {
  need_build
  [ -n "${KALLA_TEST_DATABASE_URL:-}" ] || have initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || packages+=(postgresql)
  have mariadbd || [ -x /usr/sbin/mariadbd ] || packages+=(mariadb-server)
  have sqlite3 || packages+=(sqlite3)
  have ps || packages+=(procps)
  have python3 || packages+=(python3)
  have mvn || [ -d "$("$here/trino.sh" --where)/lib" ] || packages+=(maven)
  python3 -c 'import ensurepip' >/dev/null 2>&1 || packages+=(python3-venv)
}

# Node of a version that the tools of the web app take.
node_fits() {
  node -e 'const [major, minor] = process.versions.node.split(".").map(Number)
    process.exit(major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19) ? 0 : 1)' 2>/dev/null
}

need_web() {
  node_fits || packages+=(nodejs)
  have "${CHROMIUM:-chromium}" || packages+=(chromium)
  compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || have initdb || packages+=(postgresql)
  have python3 || packages+=(python3)
}

install_packages() {
  [ ${#packages[@]} -gt 0 ] || return 0
  if ! have apt-get || [ "$(id -u)" -ne 0 ]; then
    echo "setup: missing: ${packages[*]} (names of Debian's packages)" >&2
    have apt-get && echo "setup: as root: apt-get install ${packages[*]}" >&2
    exit 1
  fi
  echo "setup: installing ${packages[*]}"
  export DEBIAN_FRONTEND=noninteractive
  export RUNLEVEL=1 # keeps Debian from starting the servers that it installs
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
}

# go_tool NAME PACKAGE VERSION builds a Go program into the cache unless that
# version is there: a Go binary carries the version that it was built from.
go_tool() {
  local bin=$cache/bin/$1
  if [ ! -x "$bin" ] || [ "$(go version -m "$bin" | awk '$1 == "mod" {print $3}')" != "$3" ]; then
    echo "setup: building $1 $3"
    GOBIN=$cache/bin CGO_ENABLED=0 go install "$2@$3"
  fi
}

case "${1:-}" in
  build)
    need_build
    install_packages
    ;;
  node)
    node_fits && have npm
    ;;
  web)
    need_web
    install_packages
    # Some packages of Node bring npm along, and do not go with the one of its own.
    packages=()
    have npm || packages+=(npm)
    install_packages
    node_fits || { echo "setup: Node is $(node --version), too old: 20.19, or 22.12 and later, is needed; see nodejs.org" >&2; exit 1; }
    go_tool versitygw github.com/versity/versitygw/cmd/versitygw "$versitygw"
    "$here/duckdb-extensions.sh"
    ;;
  test)
    need_test
    install_packages
    go_tool versitygw github.com/versity/versitygw/cmd/versitygw "$versitygw"
    "$here/duckdb-extensions.sh"
    "$here/schemathesis.sh"
    "$here/trino.sh"
    ;;
  *)
    echo "usage: setup.sh build|node|web|test" >&2
    exit 2
    ;;
esac
