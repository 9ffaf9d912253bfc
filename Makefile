# make demo   the whole path on one data set, ending in the ten answers
# make test   everything that is checked before a change lands
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# A data set's folder and a target of profiles.yml, for make demo.
DATA ?= data/synthetic/v1
TARGET ?= dev
SQL := models snapshots tests analyses

.PHONY: help setup demo test lint lint-python lint-sql unit bench mutants lock clean

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: .venv/installed ## Make .venv from requirements.lock

.venv/installed: requirements.lock pyproject.toml
	@echo "setting up .venv from requirements.lock (about a minute)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
		|| { echo "Python 3.11 is needed; name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: .venv/installed ## Load DATA into TARGET, build the marts, print the ten answers
	@$(BIN)/chm demo "$(DATA)" --target "$(TARGET)"

test: lint unit ## Lint everything, run every test on DuckDB and PostgreSQL

lint: lint-python lint-sql

lint-python: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The templater compiles the models, which takes a database but no rows.
lint-sql: .venv/installed
	CHM_DUCKDB_PATH=target/lint.duckdb $(BIN)/sqlfluff lint --dialect duckdb $(SQL)
	CHM_TARGET=prod $(BIN)/python tests/python/postgres_server.py -- \
		$(BIN)/sqlfluff lint --dialect postgres $(SQL)

unit: .venv/installed
	$(BIN)/pytest

bench: .venv/installed ## Measure speed and memory against yardsticks (about ten minutes, alone)
	$(BIN)/python benchmarks

mutants: .venv/installed ## Break every model in small ways and see that the tests notice (some minutes)
	$(BIN)/python tests/python/mutate_models.py

lock: .venv/installed ## Pin the newest versions that pyproject.toml allows (needs uv)
	uv pip compile pyproject.toml --extra dev --python-version 3.11 --generate-hashes --upgrade \
		--no-strip-extras --no-header --no-annotate --no-emit-index-url --output-file requirements.lock

clean: ## Remove what was built, not the environment
	rm -rf target logs warehouse.duckdb warehouse.duckdb.wal
