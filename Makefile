# make help lists the targets.

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMANDS := $(patsubst cmd/%/main.go,%,$(wildcard cmd/*/main.go))

# The embedded engine is a C++ library. Said outright, because Go silently turns
# cgo off where it finds no compiler.
export CGO_ENABLED := 1

BUILDFLAGS := -trimpath -ldflags "-s -w -X kalla/internal/app.Version=$(VERSION)"

TESTFLAGS ?= -race -timeout 15m
PACKAGES  ?= ./...
FUZZTIME  ?= 60s
WORKLOADS ?= cold10k csv1m

GOLANGCI_LINT := v2.15.0

.DEFAULT_GOAL := help

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: build ## build, then reconcile a small, realistic data set
	bin/kalla demo

# The web app is part of the program where there is a Node that can build it;
# make build WEB= does without.
WEB ?= $(shell scripts/setup.sh node && echo web)

.PHONY: build
build: compiler $(WEB) ## bin/kalla and the other commands, with the web app if there is Node
	go build $(BUILDFLAGS) -o bin/ $(COMMANDS:%=./cmd/%)

.PHONY: web
web: web/dist/index.html ## the web app into web/dist, which the next make build embeds; needs Node

web/dist/index.html: web/node_modules/.package-lock.json web/package.json web/index.html web/vite.config.ts $(shell find web/src web/public -type f)
	cd web && npm run build

web/node_modules/.package-lock.json: web/package-lock.json
	cd web && npm ci
	@touch $@

.PHONY: api
api: ## web/openapi.json from the server's handlers, and the web app's types from that; needs Node
	go test ./internal/server/ -run TestOpenAPIIsThatOfTheWebApp -update
	cd web && npm run api

.PHONY: test-web
test-web: setup-web ## types, eslint, prettier and every test of the web app, against the program in Chromium; needs Node
	$(MAKE) build WEB=web
	mkdir -p dist/screenshots # pictures of the pages, for people to look at
	cd web && npm run check && npm test && npm run size && KALLA_SCREENSHOTS=$(CURDIR)/dist/screenshots npm run test:browser

.PHONY: test
test: setup check ## everything: installs what is missing, then checks and tests
	go test $(TESTFLAGS) $(PACKAGES)

.PHONY: check
check: ## gofmt, go vet and a tidy go.mod, in seconds
	@unformatted=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard -- '*.go')); \
		[ -z "$$unformatted" ] || { echo "gofmt -w is needed for:"; echo "$$unformatted"; exit 1; }
	go mod tidy -diff
	go vet $(PACKAGES)

.PHONY: lint
lint: ## golangci-lint: imports point down, money is no float, errors are wrapped
	go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT) run $(PACKAGES)

.PHONY: fuzz
fuzz: compiler ## each fuzz target for FUZZTIME (60s)
	@scripts/fuzz.sh $(FUZZTIME)

.PHONY: test-deploy
test-deploy: ## build the images, bring the compose files up, reconcile, take them down; needs root, Docker with compose, debootstrap, jq
	@deploy/test/images.sh
	@deploy/test/up.sh

.PHONY: bench
bench: build ## measure against a plain DuckDB script: WORKLOADS="cold10k csv1m"
	go run ./bench $(WORKLOADS)

.PHONY: setup
setup: ## what the tests need: database servers, an S3 server, DuckDB's extensions
	@scripts/setup.sh test

.PHONY: setup-web
setup-web: ## what the web app is built and tested with: Node, Chromium, the servers of its journeys
	@scripts/setup.sh web

.PHONY: compiler
compiler:
	@scripts/setup.sh build

.PHONY: clean
clean: ## remove what was built, not the caches
	rm -rf bin dist web/dist/assets web/dist/index.html
