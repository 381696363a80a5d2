# `make demo` needs Python 3.11 or newer and make; uv is used where it is installed.
# `make UV= test` does without uv; the first `make PYTHON=/path/to/python3.12 test` chooses the Python.

VENV := .venv
BIN := $(VENV)/bin
UV ?= $(shell command -v uv 2>/dev/null)
PYTHON ?=
PYTEST_ARGS ?=
BENCH_ARGS ?=

# What runs the product, and what is added to work on it. Both are made again only when
# pyproject.toml changes, so that a second call needs no network.
RUNS := $(VENV)/.runs
WORKS := $(VENV)/.works
# The programs of others that speak to the MCP server; only their tests need npm and a network.
CONFORMANCE := $(VENV)/conformance

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast test-crash test-conformance lint format bench bundle dist check-clients clean

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(RUNS) ## Drive a run through a real MCP client over stdio
	@$(BIN)/opentask demo

test: lint ## Check everything: style, types, tests, coverage
	$(BIN)/python -m pytest --ignore=tests/conformance --cov --cov-report=term $(PYTEST_ARGS)

test-fast: $(WORKS) ## Run the tests without coverage, the last failures first
	$(BIN)/python -m pytest --ignore=tests/conformance --failed-first --exitfirst --quiet $(PYTEST_ARGS)

test-crash: $(WORKS) ## Prove durability at length: faults, kills, losses of power, many writers and claimers (some minutes)
	CRASH_TESTS=long $(BIN)/python -m pytest tests/crash tests/properties/test_registry_machine.py tests/tasks/test_many_claimers.py tests/flows/test_flow_storm.py $(PYTEST_ARGS)

test-conformance: $(WORKS) $(CONFORMANCE)/.installed ## Run the official MCP suites and the Inspector (needs npm)
	$(BIN)/python -m pytest tests/conformance $(PYTEST_ARGS)

lint: $(WORKS) ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy registry opentask_mcp tests $(wildcard benchmarks evaluation mcpb)

format: $(WORKS) ## Mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(WORKS) ## Print costs as ratios to floors measured in the same run; BENCH_ARGS=--keep writes docs/performance.md
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

bundle: ## Build dist/*.mcpb, which Claude Desktop installs with a double click
	@python=$$(command -v $(BIN)/python || command -v python3) && $$python mcpb/build.py dist

dist: $(WORKS) bundle ## Build the wheel, the source archive and the bundle into dist/
	@$(BIN)/python -m hatchling build -d dist

check-clients: $(WORKS) ## Have the clients' own validators look at plugin and bundle; fetches them with npm
	@npm install --silent --no-save --prefix build/node @anthropic-ai/mcpb@2.1.2 @anthropic-ai/claude-code@2.1.197
	$(BIN)/python -m pytest --quiet tests/packaging/test_bundle.py tests/packaging/test_plugin.py

clean: ## Remove .venv, caches and built files
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage htmlcov
	find registry opentask_mcp tests $(wildcard benchmarks skills) -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUNS): pyproject.toml
	@echo "setting up $(VENV)"
ifneq ($(UV),)
	@$(BIN)/python -c '' 2>/dev/null || { rm -rf $(VENV); "$(UV)" venv --quiet --python "$(or $(PYTHON),>=3.11)" $(VENV); }
	@"$(UV)" pip install --quiet --python $(BIN)/python --editable .
else
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { \
	    for python in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11); do \
	        if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	            exec "$$python" -m venv --clear $(VENV); \
	        fi; \
	    done; \
	    echo "OpenTask MCP needs Python 3.11 or newer: install it, or name it with make PYTHON=/path/to/python3" >&2; \
	    exit 1; \
	}
	@$(BIN)/python -m pip install --quiet --editable .
endif
	@touch $@

$(WORKS): $(RUNS)
	@echo "adding the development tools to $(VENV)"
ifneq ($(UV),)
	@"$(UV)" pip install --quiet --python $(BIN)/python --group dev
else
	@# pip reads dependency groups since 25.1; the one a Python brings along is often older.
	@$(BIN)/python -m pip install --quiet "pip>=25.1"
	@$(BIN)/python -m pip install --quiet --group dev
endif
	@touch $@

$(CONFORMANCE)/.installed: tests/conformance/package.json tests/conformance/package-lock.json
	@echo "adding the conformance suites to $(CONFORMANCE)"
	@mkdir -p $(CONFORMANCE)
	@cp tests/conformance/package.json tests/conformance/package-lock.json $(CONFORMANCE)/
	@npm ci --prefix $(CONFORMANCE) --no-audit --no-fund --loglevel=error
	@touch $@
