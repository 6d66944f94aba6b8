# What can be done with Stampede. `make` alone prints the list.

.DEFAULT_GOAL := help
.PHONY: help run demo cluster test bench lint

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Serve the shop on 127.0.0.1:8080, with its data in ./data
	cargo run --release -- serve

demo: ## Run a whole flash sale against a fresh shop and print what was sold
	cargo run --release -- demo

cluster: ## Start three nodes with servers of their own, to watch one die
	@tests/setup
	cargo build --release --bin stampede
	@deploy/cluster

# The integration binary starts real servers once and shares them, so it runs as one process; the
# other tests run under nextest where it is installed.
test: ## Install what the tests need, then run every test against real servers
	@tests/setup
	cargo build --workspace --bin stampede
	@if cargo nextest --version >/dev/null 2>&1; then \
		set -x; cargo nextest run --workspace --filterset 'not binary(it)'; \
	else \
		set -x; cargo test --workspace --lib --bins; \
	fi
	cargo test --workspace --test it

bench: ## Measure the shop against simpler ones, as ratios from one run
	cargo bench --package stampede-tests --bench bench

lint: ## Check the format and let clippy find no fault
	cargo fmt --all -- --check
	cargo clippy --workspace --all-targets -- -D warnings
