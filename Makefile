# The usual tasks. `make` alone prints the list. What installs servers prints first which ones, and how to
# avoid it (tests/setup).

.DEFAULT_GOAL := help
.PHONY: help run demo cluster test bench lint limits

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Serve the shop on 127.0.0.1:8080, with its data in ./data
	cargo run --release -- serve

demo: ## Run a flash sale with 20,000 buyers in ./data, check the result and keep serving
	cargo run --release -- demo

cluster: ## Start three nodes on this machine (first installs the servers that are missing)
	@tests/setup
	cargo build --release --bin stampede
	@deploy/cluster

# The integration tests share the real servers that they start, so they run as one process. The other
# tests run under nextest if it is installed.
test: ## Run every test against real servers (first installs the servers that are missing)
	@tests/setup
	cargo build --workspace --bin stampede
	@if cargo nextest --version >/dev/null 2>&1; then \
		set -x; cargo nextest run --workspace --filterset 'not binary(it)'; \
	else \
		set -x; cargo test --workspace --lib --bins; \
	fi
	cargo test --workspace --test it

bench: ## Compare the shop with simpler ones, as ratios (first installs the servers that are missing)
	@tests/setup
	cargo bench --package stampede-tests --bench bench

lint: ## Check the format and run clippy; a warning is an error
	cargo fmt --all -- --check
	cargo clippy --workspace --all-targets -- -D warnings

limits: ## Write deploy/limits.md anew, from the limits in the sources
	LIMITS=write cargo test --package stampede-tests --test it -- --exact limits::the_page_lists_every_limit
