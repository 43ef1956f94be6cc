#!/usr/bin/env bash
# Brings up one of the compose files as docs/deployment.md says, has it reconcile a
# small job from end to end through the app's API, proves the evidence, and takes it
# down again with its volumes. The images have to be there: deploy/test/images.sh.
#
#   deploy/test/up.sh single     docker-compose.single.yml
#   deploy/test/up.sh cluster    docker-compose.cluster.yml, on engine trino
#   deploy/test/up.sh            both, one after the other
#
# With docker compose (version 2), curl and jq. PostgreSQL is kalla-test/postgres where
# images.sh has made it; POSTGRES_IMAGE names another. Its containers and volumes are
# those of a project of its own, but the ports are the usual ones: 3000 (KALLA_PORT),
# 5432, and 9090 or 8080 must be free.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

fail() { echo "up: $*" >&2; exit 1; }

for program in docker curl jq; do
  command -v "$program" >/dev/null || fail "$program is not installed"
done
docker info >/dev/null 2>&1 || fail "the Docker daemon does not answer: start it, or run this as a user who may use it"
docker compose version >/dev/null 2>&1 || fail "docker compose (version 2) is not installed"

if [ -z "${POSTGRES_IMAGE:-}" ] && docker image inspect kalla-test/postgres >/dev/null 2>&1; then
  export POSTGRES_IMAGE=kalla-test/postgres
fi
export KALLA_PORT=${KALLA_PORT:-3000}
app=http://localhost:$KALLA_PORT
export KALLA_PUBLIC_URL=$app

work=$(mktemp -d)
file=
compose() { docker compose --progress quiet -p kalla-up -f "$file" "$@"; }
down() { compose down -v --timeout 20 >/dev/null 2>&1; }

ended() {
  status=$?
  if [ -n "$file" ]; then
    if [ $status -ne 0 ]; then
      compose ps -a >&2 || true
      compose logs --no-color --tail 40 >&2 || true
    fi
    down || true
  fi
  rm -rf -- "$work"
}
trap ended EXIT

# until_true SECONDS WHAT COMMAND… asks every second.
until_true() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || fail "$what: not in time; the logs above or below say why"
    sleep 1
  done
}

# api METHOD PATH [JSON] prints the answer, and fails with it where it is an error.
api() {
  local code
  code=$(curl -sS -o "$work/answer" -w '%{http_code}' -X "$1" -H "Authorization: Bearer $token" \
    ${3:+-H 'Content-Type: application/json' --data "$3"} "$app$2")
  [ "$code" -lt 300 ] || fail "$1 $2: $code $(cat "$work/answer")"
  cat "$work/answer"
}

# The first administrator, by the link in the log; then a sign-in as the page does it.
sign_in() {
  local setup password
  setup=$(compose logs --no-log-prefix app | grep -oE '/setup\?token=[^ ]+' | tail -1 | cut -d= -f2)
  [ -n "$setup" ] || fail "the app's log has no link for the first administrator"
  password=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
  page() {
    curl -sS -f -b "$work/cookies" -c "$work/cookies" -H "Origin: $app" -H 'Content-Type: application/json' --data "$2" "$app$1"
  }
  page /api/auth/setup "{\"token\":\"$setup\",\"email\":\"admin@example.com\",\"password\":\"$password\"}" >/dev/null || fail "the link in the log makes no administrator"
  page /api/auth/sign-out '{}' >/dev/null || fail "signing out"
  page /api/auth/sign-in "{\"email\":\"admin@example.com\",\"password\":\"$password\"}" | jq -e '.email == "admin@example.com"' >/dev/null || fail "the administrator cannot sign in"
  token=$(page /api/tokens '{"name":"up","scopes":["read","write","runs"]}' | jq -er .token) || fail "no API token"
}

# 300 invoices in an upload, 280 payments in PostgreSQL, of which 270 pay an invoice to the cent.
sources() {
  local place id uri
  { echo invoice_id,amount,customer; seq 1 300 | awk '{printf "INV-%04d,%d.%02d,C%d\n", $1, $1 * 7, $1 % 100, $1 % 9}'; } >"$work/invoices.csv"
  place=$(api POST /api/uploads/presign '{"filename":"invoices.csv"}')
  id=$(jq -r .upload_id <<<"$place") uri=$(jq -r .s3_uri <<<"$place")
  curl -sS -f -T "$work/invoices.csv" "$app$(jq -r .presigned_url <<<"$place")" >/dev/null || fail "the upload is not taken"
  api POST "/api/uploads/$id/confirm" "{\"s3_uri\":\"$uri\"}" >/dev/null
  api POST "/api/uploads/$id/keep" '{"alias":"invoices"}' >/dev/null

  compose exec -T postgres psql -q -v ON_ERROR_STOP=1 -U kalla kalla <<'SQL'
CREATE SCHEMA books;
CREATE TABLE books.payments AS
  SELECT 'PAY-' || n AS payment_id, 'INV-' || lpad(n::text, 4, '0') AS reference, (n * 7 + (n % 100) / 100.0 + CASE WHEN n > 270 THEN 5 ELSE 0 END)::numeric(12,2) AS paid
  FROM generate_series(1, 280) n;
SQL
  api POST /api/sources "{\"alias\":\"payments\",\"uri\":\"postgres://kalla:${POSTGRES_PASSWORD:-kalla_secret}@postgres:5432/kalla?table=books.payments\"}" >/dev/null
  api POST /api/sources/payments/test | jq -e .ok >/dev/null || fail "the scheduler cannot read the database: $(cat "$work/answer")"
}

recipe() {
  cat <<'YAML'
kalla: 1
recipe_id: up
sources:
  left: {alias: invoices, source: invoices, primary_key: [invoice_id], anchor: true}
  right: {alias: payments, source: payments, primary_key: [payment_id]}
match:
  - name: reference and amount
    cardinality: one_to_one
    when:
      - {left: invoice_id, right: reference}
      - {left: amount, right: paid}
YAML
}

# run ENGINE
run() {
  local id status='' end=$((SECONDS + 300))
  api POST /api/recipes "$(recipe | jq -Rs '{document: .}')" >/dev/null
  id=$(api POST /api/runs "{\"recipe_id\":\"up\",\"engine\":\"$1\"}" | jq -r .run_id)
  while :; do
    status=$(api GET "/api/runs/$id" | jq -r .status)
    case $status in completed) break ;; failed | cancelled) fail "the run $status: $(jq -c .error "$work/answer")" ;; esac
    [ $SECONDS -lt $end ] || fail "the run is still $status after five minutes"
    sleep 1
  done
  jq -e --arg engine "$1" '.matched_count == 270 and .unmatched_left_count == 30 and .unmatched_right_count == 10 and .summary.engine.name == $engine and .has_evidence' "$work/answer" >/dev/null ||
    fail "not the numbers that must come out, or not by engine $1: $(jq -c '{matched_count, unmatched_left_count, unmatched_right_count, engine: .summary.engine, has_evidence}' "$work/answer")"
  api GET "/api/runs/$id/verify" | jq -e '(.checks | length) > 0 and (.findings | length) == 0' >/dev/null ||
    fail "the evidence does not verify: $(jq -c .findings "$work/answer")"
  [ "$(api GET "/api/runs/$id/evidence/manifest.json" | jq -r .run_id)" = "$id" ] || fail "the manifest is not that of the run: $(head -c 300 "$work/answer")"
}

up() {
  file=docker-compose.$1.yml
  local engine=duckdb scheduler=http://localhost:9090
  [ "$1" = single ] || engine=trino scheduler=http://localhost:8080
  down || true
  echo "up: $file"
  compose up -d --no-build || fail "docker compose up: images are built by deploy/test/images.sh"
  until_true 180 "the app answers" curl -sS -f "$app/healthz"
  until_true 60 "the app is ready" curl -sS -f "$app/readyz"
  curl -sS -f "$app/" | grep -qi '<html' || fail "GET / is not the web page"
  sign_in
  echo "  the app serves, and its administrator signs in"
  until_true 60 "the scheduler is ready" curl -sS -f "$scheduler/ready"
  sources
  echo "  sources: an upload, and a table of PostgreSQL"
  if [ "$engine" = trino ]; then
    for node in executor-1 executor-2; do
      until_true 300 "$node is ready" compose exec -T "$node" kallad health http://localhost:50052/ready
    done
    echo "  two executors are ready"
  fi
  run "$engine"
  echo "  a run on $engine: completed, evidence verified"
  down
  file=
}

case ${1:-} in
  '')
    up single
    up cluster
    ;;
  single | cluster) up "$1" ;;
  *) fail "which: single or cluster" ;;
esac
echo "up: done"
