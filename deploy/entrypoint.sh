#!/bin/sh
# Starts a program of Kalla with the secrets that the services of one compose
# file share: those of the environment, else those in /run/kalla, a volume that all
# of them mount, where the first one to start makes them up. So no deployment runs
# with a secret that stands in a file of the project.
set -eu

shared=/run/kalla

secret() { # VARIABLE FILE
  eval "given=\${$1:-}"
  if [ -z "$given" ]; then
    if [ ! -s "$shared/$2" ]; then
      umask 077
      made=$(mktemp "$shared/.$2.XXXXXX")
      od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$made"
      ln "$made" "$shared/$2" 2>/dev/null || true # another one may have been quicker: theirs counts
      rm -f "$made"
    fi
    given=$(cat "$shared/$2")
  fi
  export "$1=$given"
}

if [ -w "$shared" ]; then
  secret KALLA_WORKER_TOKEN worker-token
  secret KALLA_CLUSTER_SECRET cluster-secret
  secret AWS_SECRET_ACCESS_KEY storage-secret
  export ROOT_SECRET_KEY="$AWS_SECRET_ACCESS_KEY"
fi
exec "$@"
