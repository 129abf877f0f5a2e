# `make run` serves Latchkey, `make test` runs all tests that this machine allows; both make what they need first.

PYTHON ?= python3
BIN := .venv/bin
HOST ?= 127.0.0.1
PORT ?= 5000
export HOST PORT
SHELL := bash
.SHELLFLAGS := -o pipefail -c
# Two lanes side by side; with two cores one after the other, since the servers of the tests need cores as well.
LANES ?= $(shell [ "$$(nproc)" -gt 2 ] && echo 2 || echo 1)
# sed passes on whole lines, so that those of two lanes do not mix.
LANE = $(BIN)/python -m pytest -o cache_dir=.pytest_cache/$@

.DEFAULT_GOAL := help
.PHONY: help run test test-inside test-served lint format bench tools coverage upgrade

help: ## show what can be made
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: .venv/.run ## serve on http://localhost:5000, on an embedded database (HOST=, PORT= change that)
	FLASK_ENV=development $(BIN)/gunicorn --config gunicorn.conf.py app.wsgi:app

test: .venv/.dev ## run all tests (PYTEST_ARGS=tests/unit runs only these)
ifdef PYTEST_ARGS
	$(BIN)/python -m pytest $(PYTEST_ARGS)
else
	$(MAKE) --no-print-directory --keep-going --jobs $(LANES) test-inside test-served
endif

test-inside: .venv/.dev
	$(LANE) tests/unit tests/house tests/api tests/contract | sed -u ''

test-served: .venv/.dev
	$(LANE) tests/e2e tests/servers | sed -u ''

coverage: .venv/.dev ## run the tests and show what of app/ they reach
	$(BIN)/python -m pytest --cov --cov-report=term $(PYTEST_ARGS)

lint: .venv/.dev ## check style, types and the arrows between the packages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/.dev ## mend what can be mended by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/.dev ## measure, as ratios to a bare Flask (docs/performance.md)
	$(BIN)/python -m bench

upgrade: .venv/.dev ## show which of the pinned packages have a newer version; it changes nothing
	$(BIN)/python -m pip list --outdated --disable-pip-version-check

tools: tests/tools/node_modules/.package-lock.json ## build what some tests need: the MongoDB-protocol server, newman, examples, kustomize
	tests/servers/mongo-java-server/build.sh
	tests/tools/examples.sh express
	tests/tools/examples.sh go
	tests/tools/kustomize.sh

tests/tools/node_modules/.package-lock.json: tests/tools/package-lock.json
	npm ci --prefix tests/tools --ignore-scripts --no-audit --no-fund

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Latchkey needs Python 3.11 or later: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv .venv

.venv/.run: .venv/bin/python requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

.venv/.dev: .venv/.run requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@
