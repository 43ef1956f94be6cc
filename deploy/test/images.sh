#!/usr/bin/env bash
# Builds Kalla's images where no public image can be fetched: what they are built
# upon is made here, of Debian's packages and of the Go, Node, JDK and Trino of this
# machine, and given to deploy/Dockerfile by its build arguments. As root, with
# Debian's docker.io and debootstrap, and dockerd running.
#
#   deploy/test/images.sh            all: app, kallad, cluster, storage
#   deploy/test/images.sh kallad     one
#
# KALLA_TRINO_HOME and JAVA_HOME say where Trino and a JDK of 24 or later are.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(app kallad storage cluster)

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT

have() { docker image inspect "$1" >/dev/null 2>&1; }

# image NAME reads a Dockerfile, whose context is $work.
image() { docker build --network host -q -t "$1" -f - "$work" >/dev/null; }

if ! have kalla-test/debian; then
  echo "images: Debian"
  mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -oE '^(deb|URIs:).*https?://[^ ]+' | grep -oE 'https?://[^ ]+' | head -1 || true)
  debootstrap --variant=minbase --include=ca-certificates bookworm "$work/root" "$mirror" >/dev/null
  cp /etc/ssl/certs/ca-certificates.crt "$work/root/etc/ssl/certs/" # a proxy may have one of its own
  rm -rf "$work/root/var/cache/apt" "$work/root/var/lib/apt/lists"
  mkdir -p "$work/root/var/cache/apt/archives/partial" "$work/root/var/lib/apt/lists/partial"
  tar -C "$work/root" -c . | docker import - kalla-test/debian >/dev/null
  rm -rf "$work/root"
fi

if ! have kalla-test/postgres; then
  echo "images: PostgreSQL"
  cp deploy/test/postgres.sh "$work/"
  image kalla-test/postgres <<'D'
FROM kalla-test/debian
RUN apt-get update -qq && RUNLEVEL=1 apt-get install -y -qq --no-install-recommends postgresql && rm -rf /var/lib/apt/lists/*
COPY postgres.sh /postgres.sh
ENV POSTGRES_USER=postgres
EXPOSE 5432
STOPSIGNAL SIGINT
ENTRYPOINT ["/postgres.sh"]
D
fi

if ! have kalla-test/go; then
  echo "images: Go"
  cp -r "$(go env GOROOT)" "$work/go"
  image kalla-test/go <<'D'
FROM kalla-test/debian
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends build-essential && rm -rf /var/lib/apt/lists/*
COPY go /usr/local/go
ENV PATH=/usr/local/go/bin:$PATH
D
  rm -rf "$work/go"
fi

if ! have kalla-test/node; then
  echo "images: Node"
  mkdir -p "$work/bin"
  cp -L "$(command -v node)" "$work/bin/node"
  cp -rL "$(npm root -g)/npm" "$work/npm"
  image kalla-test/node <<'D'
FROM kalla-test/debian
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends libstdc++6 && rm -rf /var/lib/apt/lists/*
COPY bin/node /usr/bin/node
COPY npm /usr/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/bin/npm
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
D
  rm -rf "$work/bin" "$work/npm"
fi

if [[ " ${targets[*]} " == *" cluster "* ]]; then
  if ! have kalla-test/java; then
    echo "images: Java"
    cp -rL "${JAVA_HOME:?names a JDK of 24 or later}" "$work/java"
    image kalla-test/java <<'D'
FROM kalla-test/debian
COPY java /opt/java/openjdk
D
    rm -rf "$work/java"
  fi
  if ! have kalla-test/trino; then
    echo "images: Trino"
    cp -r "${KALLA_TRINO_HOME:?names an unpacked Trino server}" "$work/trino"
    image kalla-test/trino <<'D'
FROM kalla-test/debian
COPY trino /usr/lib/trino
D
    rm -rf "$work/trino"
  fi
fi

for target in "${targets[@]}"; do
  echo "images: kalla/$target"
  docker build --network host -q -f deploy/Dockerfile --target "$target" -t "kalla/$target" \
    --build-arg GO_IMAGE=kalla-test/go --build-arg NODE_IMAGE=kalla-test/node --build-arg DEBIAN_IMAGE=kalla-test/debian \
    --build-arg JAVA_IMAGE=kalla-test/java --build-arg TRINO_IMAGE=kalla-test/trino \
    --build-arg VERSION="$(git describe --tags --always 2>/dev/null || echo unknown)" . >/dev/null
done
docker images --format '{{.Repository}} {{.Size}}' | grep '^kalla/'
