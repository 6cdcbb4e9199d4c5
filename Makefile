# Verbs of the project; `make` alone explains them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup demo test dev lint format docs pictures bench bench-scale bench-serving benchmark torture clean reset

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
BIN := .venv/bin
STAMP := .venv/.installed
SOURCES ?=
PYTEST_ARGS ?=
export PATH := $(CURDIR)/$(BIN):$(PATH)
export DO_NOT_TRACK := true
export PYTHONHASHSEED := 0

help:  ## explain the verbs
	@echo "Lead Recovery Engine - verbs:"
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'
	@echo "  make demo SOURCES=path/to/sources.yml   the same chain on your own files"

$(STAMP): requirements.lock pyproject.toml
	@"$(PYTHON)" -c 'import sys; ok = (3, 11) <= sys.version_info[:2] < (3, 13); sys.exit(None if ok else "Python 3.11 or 3.12 is needed, found " + sys.version.split()[0] + ". Install one and run: make PYTHON=python3.11")'
	@echo "Setting up .venv from the hash-locked requirements (once; about a minute)"
	@test -x $(BIN)/python || "$(PYTHON)" -m venv .venv
	@awk '/^uv==/{p=1} p{print} p && !/\\$$/{exit}' requirements.lock > .venv/uv.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r .venv/uv.lock
	@UV_CACHE_DIR=$${UV_CACHE_DIR:-.venv/uv-cache} $(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode requirements.lock 2>.venv/uv.log \
	  || $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@rm -rf .venv/uv-cache
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
	@$(BIN)/python -m compileall -q bench cli contracts models pipelines recovery serving simulation
	@touch $(STAMP)

setup: $(STAMP)  ## make the environment in .venv
	@$(BIN)/recovery prepare

demo: setup  ## simulate a CRM world and run three days end to end
	@$(BIN)/recovery demo $(if $(SOURCES),--sources "$(SOURCES)")

test: setup  ## run every test, with coverage
	@rm -f .coverage .coverage.*
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup --cov --cov-report= $(PYTEST_ARGS)
	@$(BIN)/python -m coverage report | tail -n 30

dev: setup  ## Dagster UI and daemon, MLflow UI, on loopback
	@$(BIN)/recovery dev

lint: setup  ## ruff, types, import contract, SQL style
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/sqlfluff lint --processes 2 dbt

format: setup  ## put code and SQL in shape
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(BIN)/sqlfluff fix --processes 2 dbt

docs: setup  ## regenerate the reference pages from code
	@$(BIN)/recovery docs

pictures: setup  ## take the pictures of the docs (needs chromium)
	@$(BIN)/python docs/take_pictures.py

bench: setup  ## daily job at 10,000 people and delivery of 5,000 mails, each against its bare baseline
	@$(BIN)/python -m bench.daily --people 10000
	@$(BIN)/python -m bench.delivery --touches 5000 --ledger 500000

bench-scale: setup  ## the same at 1,000,000 people
	@$(BIN)/python -m bench.daily --people 1000000

bench-serving: setup  ## the scoring API beside an empty route, a plain app and mlflow models serve
	@$(BIN)/python -m bench.serving

torture: setup  ## the large proofs in full; takes an hour
	@$(BIN)/python -m bench.torture

benchmark: setup  ## assess the public tables and the synthetic world beside plain scikit-learn
	@$(BIN)/python -m bench.benchmark

clean:  ## remove what can be rebuilt (keeps landing, published, ledger, tracking, secrets)
	@rm -rf var/warehouse var/dbt var/dagster var/world dbt/target dbt/logs .pytest_cache .mypy_cache .ruff_cache .coverage*
	@find . -name __pycache__ -not -path './.venv/*' -type d -prune -exec rm -rf {} +

reset:  ## remove all state; asks first
	@read -r -p "This removes ledger, secrets, models and every emitted batch under var/. Type reset: " answer; \
	  test "$$answer" = reset && rm -rf var && echo "var/ is gone." || { echo "Nothing was removed."; exit 1; }
