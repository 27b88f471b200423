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
	tests/rules.sh
	tests/alerting.sh
	tests/compose.sh
	tests/api-docs.sh
	tests/fuzz-api.sh
	tests/panels.sh

.PHONY: check
check: setup ## Formatting, lints, documentation, wire contracts, dependencies
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" $(CARGO) doc --workspace --no-deps --locked --document-private-items
	scripts/check-dependencies
	$(CARGO) run --quiet --locked --package arena -- slo generate --check
	$(CARGO) run --quiet --locked --package arena -- describe alerts | diff deploy/alerts.md -
	scripts/check-dashboards
	scripts/buf lint proto
	scripts/lint-shell

.PHONY: prove
prove: setup build ## The long form of the tests: load, chaos, guesses, an outage, 20 quiet minutes, containers (over an hour)
	scripts/prove
	tests/compose.sh image run

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

.PHONY: slo
slo: ## Write the rules of the objectives anew from deploy/slo
	$(CARGO) run --quiet --package arena -- slo generate

.PHONY: alerts-doc
alerts-doc: ## Write deploy/alerts.md anew from the rules and the runbooks
	$(CARGO) run --quiet --package arena -- describe alerts > $(TARGET)/alerts.md
	mv $(TARGET)/alerts.md deploy/alerts.md

.PHONY: observe
observe: setup build ## Watch the running platform: Prometheus, Alertmanager and exporters, without Docker
	scripts/observe

.PHONY: fmt
fmt: ## Format the code
	$(CARGO) fmt --all

.PHONY: clean
clean: ## Remove what was built (not the data of the platform)
	$(CARGO) clean
	rm -rf .cache

# The container image and the compose files. `include` merges them, and the extended one has every volume there is.
IMAGE := battlearena/arena:0.1.0
ALL_CONTAINERS := docker compose --file docker-compose-extended.yml --profile '*'
# Whatever runs, by the name of the project alone: a file would leave out what it does not have.
RUNNING := docker compose --project-name $(or $(COMPOSE_PROJECT_NAME),battlearena)
image up up-extended up-jaeger: export ARENA_GIT_COMMIT := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
image up up-extended up-jaeger: export ARENA_BUILD_DATE := $(shell git log -1 --format=%cI 2>/dev/null || echo unknown)

.PHONY: image
image: ## Build the container image of all roles
	docker build --file deploy/docker/Dockerfile --tag $(IMAGE) --build-arg ARENA_GIT_COMMIT --build-arg ARENA_BUILD_DATE .

.PHONY: up up-extended up-jaeger
up: ## Run the platform in containers, with Prometheus, Alertmanager and Grafana
up: FILE := docker-compose.yml
up-extended: ## The same with exporters, logs (Loki) and long-term metrics (Thanos)
up-extended: FILE := docker-compose-extended.yml
up-jaeger: ## The same with exporters, logs (Loki) and traces (Jaeger)
up-jaeger: FILE := docker-compose-jaeger.yml
# The image takes minutes to build, so whether the machine can start it is asked before.
up up-extended up-jaeger:
	scripts/check-host $(FILE)
	$(MAKE) --no-print-directory image
	scripts/up $(FILE)

.PHONY: down
down: ## Stop and remove the containers; keeps their data unless VOLUMES=delete
	$(ALL_CONTAINERS) down --remove-orphans $(if $(filter delete,$(VOLUMES)),--volumes)

.PHONY: logs
logs: ## Follow the containers' logs
	$(RUNNING) logs --follow --tail 100

.PHONY: ps
ps: ## List the containers
	$(RUNNING) ps --all

.PHONY: smoke
smoke: ## Try everything that runs in containers, as a player and as an operator
	scripts/smoke

.PHONY: dashboards
dashboards: setup ## Write Grafana's dashboards and data sources anew from deploy/grafana/source
	.cache/python/bin/python deploy/grafana/source/generate.py

.PHONY: release-marker
release-marker: ## Mark a release in every dashboard (VERSION=1.4.0)
	scripts/release-marker "$$VERSION"
