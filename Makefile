# Every command once. Developers and CI call the same targets; `make help` lists them.
# The root is both a package and the workspace, so cargo gets --workspace throughout.

.DEFAULT_GOAL := help
CARGO ?= cargo
export CARGO_TERM_COLOR ?= auto

.PHONY: help setup run scaled scaled-stop check fmt test test-rust test-js test-browser fuzz client shots bench audit clean-data

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 16

setup: ## install what the tests need on Debian (Chromium, Node, Redis, nginx, HAProxy)
	@tests/setup.sh

run: ## build and run everything: dashboard, intake, simulated floor
	$(CARGO) run --release

scaled: ## start the scaled-out system on this machine: Redis, 2 collectors, 3 gateways behind nginx
	@deploy/scaled.sh start

scaled-stop: ## stop it; its data stays
	@deploy/scaled.sh stop

fmt: ## format the Rust code
	$(CARGO) fmt --all

check: ## formatting, lints
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --all-features -- -D warnings

# Tests mostly wait for timers, Redis or other processes, so more of them than cores run at once.
test-rust: export RUST_TEST_THREADS ?= $(shell expr 2 \* $$(nproc))
test-rust: setup ## unit, property and whole-product tests
	$(CARGO) test --workspace --all-features

test-js: setup ## types and unit tests of the browser's modules
	npm --prefix tests/browser ci --no-audit --no-fund
	npm --prefix tests/browser run types
	npm --prefix tests/browser run unit

# The same features as test-rust: another set would build half the tree again.
test-browser: test-js ## the pages in a real Chromium, against the real binary
	$(CARGO) test --workspace --all-features --no-run
	npm --prefix tests/browser run pages

fuzz: setup ## ten minutes of coverage-guided input for each parser of untrusted bytes
	@fuzz/run 600

test: check test-rust test-browser ## everything that CI runs

CLIENT_DIR ?= target/npm
client: ## the client library as an npm package, in target/npm
	@rm -rf $(CLIENT_DIR) && mkdir -p $(CLIENT_DIR)
	@cp deploy/npm/package.json static/js/ringside-client.js static/js/ringside-client.d.ts LICENSE $(CLIENT_DIR)
	@cp docs/client.md $(CLIENT_DIR)/README.md
	@cd $(CLIENT_DIR) && npm pack --silent

shots: setup ## the screenshots of the README, from the simulated floor
	$(CARGO) build
	npm --prefix tests/browser ci --no-audit --no-fund
	npm --prefix tests/browser run shots

bench: ## the figures of docs/benchmarks.md
	$(CARGO) run --release -- bench

audit: ## licences, sources and known advisories (needs cargo-deny and its database)
	$(CARGO) deny check
