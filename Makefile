# The one door. `make help` lists what is behind it.

.DEFAULT_GOAL := help
SHELL := bash
CARGO ?= cargo
# Where cargo builds; `CARGO_TARGET_DIR` moves it.
TARGET := $(or $(CARGO_TARGET_DIR),target)
# Traffic that `make run` plays: slow, normal, stress or tournament.
MODE ?= normal

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Install what is missing on this machine (Debian packages, test tools)
	scripts/setup

.PHONY: setup-run
setup-run:
	scripts/setup run

# What the metric app_info says about the build. The benchmark's programs are built with the same words, since other
# words are another build.
build bench bench-telemetry: export ARENA_GIT_COMMIT := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
build bench bench-telemetry: export ARENA_BUILD_DATE := $(shell git log -1 --format=%cI 2>/dev/null || echo unknown)

.PHONY: build
build: setup-run ## Build the release binary, target/release/arena
	$(CARGO) build --release --locked --package arena

.PHONY: run
run: build ## Run the platform on this machine, with traffic (MODE=normal)
	$(TARGET)/release/arena up --simulate $(MODE)

.PHONY: test
test: setup ## Run all tests (minutes)
	$(CARGO) test --workspace --locked
	tests/foreign-client.sh
	tests/socket-client.sh

.PHONY: check
check: setup ## Formatting, lints, documentation, wire contracts, dependencies
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" $(CARGO) doc --workspace --no-deps --locked --document-private-items
	scripts/check-dependencies
	scripts/buf lint proto

.PHONY: prove
prove: setup build ## The long form: exact books under load, also as an ordinary user, and 30 rounds of chaos
	scripts/prove

.PHONY: bench
bench: setup build ## Measure the hot paths of this build on this machine
	scripts/bench
	$(CARGO) bench --locked --package battlearena-analytics --bench leaderboard

.PHONY: bench-telemetry
bench-telemetry: setup build ## Measure what metrics, traces and logs cost a request
	scripts/bench-telemetry
	$(CARGO) bench --package battlearena-telemetry --bench record

.PHONY: metrics-doc
metrics-doc: ## Write docs/metrics.md anew from the instruments in the code
	$(CARGO) run --quiet --package arena -- describe metrics > $(TARGET)/metrics.md
	mv $(TARGET)/metrics.md docs/metrics.md

.PHONY: prometheus
prometheus: setup ## Watch the running platform: Prometheus on http://127.0.0.1:9090
	PATH="$(CURDIR)/.cache/deb/usr/bin:$$PATH" prometheus --config.file=deploy/prometheus/prometheus.yml \
		--storage.tsdb.path=.cache/prometheus --web.listen-address=127.0.0.1:9090 \
		--enable-feature=exemplar-storage

.PHONY: fmt
fmt: ## Format the code
	$(CARGO) fmt --all

.PHONY: clean
clean: ## Remove what was built (not the data of the platform)
	$(CARGO) clean
	rm -rf .cache
