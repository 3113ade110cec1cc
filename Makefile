# The front door: `make` lists what there is. Everything runs in a virtual environment (.venv) that the targets build
# and refresh themselves from the lock files; nothing but make and Python 3.11+ has to be on the machine.

VENV    ?= .venv
WORKERS ?= 2
SOAK    ?= 100
# How often `make soak` kills a paper strategy; empty: 20 times for each SOAK, 100 at most.
KILLS   ?=
BIN     := $(VENV)/bin
PY      := $(BIN)/python
PIP     := $(PY) -m pip --disable-pip-version-check --no-input

# What `make demo`, `make demo-live` and `make bench` start.
DEMO_COMMAND  ?= $(BIN)/tradeexecutor demo
DEMO_LIVE_COMMAND ?= $(BIN)/tradeexecutor demo-live
BENCH_COMMAND ?= $(PY) -m benchmarks
# More options for pytest, e.g. make test PYTEST_ARGS="tests/state -k freeze"
PYTEST_ARGS ?=

# The first interpreter that runs, is new enough and can build virtual environments. Override: make test PYTHON=...
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)

# pyright would otherwise look up its latest version at every run.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1
# Tests start hundreds of interpreters. Each would compile the whole package again where this is set.
unexport PYTHONDONTWRITEBYTECODE

RUNTIME := $(VENV)/.installed-runtime
LIVE    := $(VENV)/.installed-live
DEV     := $(VENV)/.installed-dev
DOCS    := $(VENV)/.installed-docs
# The programs that `make bench-peers` compares with have an environment of their own.
PEERS_VENV ?= .venv-peers

.DEFAULT_GOAL := help
.PHONY: help demo demo-live test test-fast lint format soak soak-live golden docs docs-commands schema bench bench-peers setup setup-dev lock clean distclean docs-gallery dashboard docs-formulas release-check
.DELETE_ON_ERROR:

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(RUNTIME) ## Backtest the example strategies and show what comes out
	@$(DEMO_COMMAND)

demo-live: $(LIVE) ## Trade live on a chain of this machine, through a crash and a reorganisation
	@$(DEMO_LIVE_COMMAND)

test: $(DEV) ## Run all tests on WORKERS processes (2)
	@$(PY) -m pytest -n $(WORKERS) $(PYTEST_ARGS)

test-fast: $(DEV) ## The same without the slow tests
	@$(PY) -m pytest -n $(WORKERS) -m "not slow" $(PYTEST_ARGS)

lint: $(DEV) ## Check style, format, types and import layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright --pythonpath $(PY)
	@$(BIN)/lint-imports --no-logo

format: $(DEV) ## Format the code and apply safe lint fixes
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

SOAK_TESTS := tests/properties tests/faults tests/web/test_changes.py tests/dashboard/test_pages.py \
	tests/operations/test_paper_examples.py tests/schema/test_api_answers.py tests/cli/commands/test_lookahead.py \
	tests/backtest/test_visibility.py tests/backtest/test_backtesting_py.py \
	tests/operations/test_paper.py::test_a_process_that_is_killed_loses_and_repeats_no_decision

soak: $(DEV) ## Search with the random and fault tests, SOAK (100) times as long
	@HYPOTHESIS_PROFILE=$${HYPOTHESIS_PROFILE:-search} SOAK=$(SOAK) KILLS=$(KILLS) $(PY) -m pytest -n $(WORKERS) --timeout=0 $(SOAK_TESTS) $(PYTEST_ARGS)

soak-live: $(DEV) ## Kill a live strategy at 20 * SOAK moments on each store; SOAK_SEED chooses other ones
	@SOAK=$(SOAK) $(PY) -m pytest -n 0 -s --timeout=0 tests/ethereum/test_killed.py tests/ethereum/test_loans_live.py tests/ethereum/test_shorts.py \
		tests/ethereum/test_three_ways.py $(PYTEST_ARGS)

golden: $(DEV) ## Compare with recorded reference values, where the shared data folder is present
	@$(PY) -m tests.golden.floor

docs-commands: $(DEV) ## Write docs/commands.md from the code of the commands
	@$(PY) docs/commands.py

docs-formulas: $(DEV) ## Write docs/formulas.md from the figures of the code
	@$(PY) docs/formulas.py

docs-gallery: $(DEV) ## Write docs/examples.md and its pictures from the example strategies
	@$(PY) docs/gallery.py

docs: $(DOCS) ## Build the documentation as a site: build/site/index.html
	@$(PY) docs/site.py

release-check: $(DEV) ## Build what a release uploads, check it, and install it in empty environments
	@$(PY) deploy/release_check.py

schema: $(DEV) ## Write the JSON Schema, the TypeScript types and docs/schema.md from the code
	@$(PY) -m tradeexecutor.schema.outputs
	@$(PY) -m tradeexecutor.web.client_types

dashboard: ## Build the dashboard from clients/dashboard (needs Node.js 20 and npm)
	@cd clients/dashboard && npm ci --no-audit --no-progress && npm run check && npm run build

bench: $(DEV) ## Run the benchmarks
	@$(BENCH_COMMAND)

bench-peers: $(DEV) $(PEERS_VENV)/bin/python ## Compare with other programs, and write the table of BENCHMARKS.md
	@$(PY) -m benchmarks.peers --python $(PEERS_VENV)/bin/python $(BENCH_ARGS)

$(PEERS_VENV)/bin/python: | $(PY)
	@$(PY) -m venv $(PEERS_VENV)

setup: $(RUNTIME) ## Install the package and what it runs with into .venv
	@:

setup-dev: $(DEV) ## The same, with the developers' tools
	@:

# UPGRADE= keeps the versions that are pinned and adds only what is missing.
UPGRADE ?= --upgrade

lock: $(PY) ## Pin the newest versions that pyproject.toml admits (the lock files)
	$(PIP) install --quiet --target build/uv --upgrade uv
	build/uv/bin/uv pip compile --quiet $(UPGRADE) --universal --fork-strategy fewest --python-version 3.11 \
		--no-header --no-annotate --extra dev pyproject.toml --output-file requirements-dev.lock
	build/uv/bin/uv pip compile --quiet $(UPGRADE) --universal --fork-strategy fewest --python-version 3.11 \
		--no-header --no-annotate --extra build --constraint requirements-dev.lock pyproject.toml \
		--output-file requirements.lock
	build/uv/bin/uv pip compile --quiet $(UPGRADE) --universal --fork-strategy fewest --python-version 3.11 \
		--no-header --no-annotate --extra docs --constraint requirements-dev.lock pyproject.toml \
		--output-file requirements-docs.lock
	build/uv/bin/uv pip compile --quiet $(UPGRADE) --universal --fork-strategy fewest --python-version 3.11 \
		--no-header --no-annotate benchmarks/peers/requirements.txt --output-file requirements-peers.lock

clean: ## Remove caches and build output
	@rm -rf build dist .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	@find src tests benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

distclean: clean ## The same, and the virtual environment
	@rm -rf $(VENV) $(PEERS_VENV)

# --- The virtual environment ---------------------------------------------------------------------

# Debian keeps venv in a package of its own; where we may install it, we do.
$(PY):
	@python="$(PYTHON)"; \
	if [ -z "$$python" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing python3-venv ..."; \
		apt-get update -qq && apt-get install -qq -y python3-venv >/dev/null && python=python3; \
	fi; \
	if [ -z "$$python" ]; then \
		echo "No Python 3.11 or newer with the venv module was found." >&2; \
		echo "On Debian or Ubuntu: apt install python3 python3-venv. Elsewhere: make PYTHON=/path/to/python3.12 ..." >&2; \
		exit 1; \
	fi; \
	echo "Creating $(VENV) with $$($$python --version)"; \
	$$python -m venv $(VENV)

# Without build isolation the build backend, too, is the one that the lock names.
$(RUNTIME): requirements.lock pyproject.toml | $(PY)
	@echo "Installing the package ..."
	@$(PIP) install --quiet --requirement requirements.lock
	@$(PIP) install --quiet --no-build-isolation --no-deps --editable .
	@touch $@

# The developers' lock pins what a local chain needs, too.
$(LIVE): requirements-dev.lock $(RUNTIME)
	@echo "Installing what a local chain needs ..."
	@$(PIP) install --quiet --constraint requirements-dev.lock --no-build-isolation --editable ".[devchain]"
	@touch $@

# The tools of the site are in a lock of their own: nobody needs them to run or to test the program.
$(DOCS): requirements-docs.lock $(RUNTIME)
	@echo "Installing the tools of the documentation ..."
	@$(PIP) install --quiet --requirement requirements-docs.lock
	@touch $@

$(DEV): requirements-dev.lock $(RUNTIME)
	@echo "Installing the developers' tools ..."
	@$(PIP) install --quiet --requirement requirements-dev.lock
	@touch $@
