# The one door. `make help` lists what is behind it.

.DEFAULT_GOAL := help
SHELL := bash
CARGO ?= cargo
# Traffic that `make run` plays: slow, normal, stress or tournament.
MODE ?= normal

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Install what is missing on this machine (Debian packages, test tools)
	scripts/setup

.PHONY: build
build: ## Build the release binary, target/release/arena
	$(CARGO) build --release --locked --package arena

.PHONY: run
run: setup build ## Run the platform on this machine, with traffic (MODE=normal)
	target/release/arena up --auth open --simulate $(MODE)

.PHONY: test
test: setup ## Run all tests (minutes)
	$(CARGO) test --workspace --locked
	tests/foreign-client.sh

.PHONY: check
check: ## Formatting, lints, documentation, wire contracts, dependencies
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" $(CARGO) doc --workspace --no-deps --locked --document-private-items
	scripts/check-dependencies
	scripts/buf lint proto

.PHONY: prove
prove: setup build ## The long form: exact books under load, twice as root and as an ordinary user
	scripts/prove

.PHONY: bench
bench: setup build ## Measure the hot paths of this build on this machine
	scripts/bench

.PHONY: fmt
fmt: ## Format the code
	$(CARGO) fmt --all

.PHONY: clean
clean: ## Remove what was built (not the data of the platform)
	$(CARGO) clean
	rm -rf .cache
