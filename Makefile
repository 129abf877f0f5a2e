# `make run` serves Latchkey, `make test` runs the tests that need no server; both first install what they need.

PYTHON ?= python3
BIN := .venv/bin
HOST ?= 127.0.0.1
PORT ?= 5000
export HOST PORT
SHELL := bash
.SHELLFLAGS := -o pipefail -c
# How many tests run at once.
WORKERS ?= $(shell nproc)
# Each worker starts servers of its own; when it has run its tests, it takes over some of another's.
PYTEST = $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal
# Only packages with a hash in requirements*.txt are installed: a package that was tampered with is refused.
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes
# One lock for every platform and each supported Python. Locked versions stay, unless LOCK has --upgrade.
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command 'make lock'

.DEFAULT_GOAL := help
.PHONY: help tried run test test-all faults fuzz lint format bench tools coverage lock upgrade sbom

help: ## show the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: tried .venv/.run ## serve on http://localhost:5000, on an embedded database (HOST=, PORT= change that)
	FLASK_ENV=development $(BIN)/gunicorn --config gunicorn.conf.py app.wsgi:app

# A warning before anything is installed, since on a newer Python the installation itself may fail.
tried:
	@$$(test -x $(BIN)/python && echo $(BIN)/python || echo $(PYTHON)) -c 'import sys; v = "%d.%d" % sys.version_info[:2]; \
	  sys.version_info[:2] > (3, 13) and print("Python", v, "is newer than those that Latchkey was tried with (3.11 to 3.13).", \
	  "If it fails: rm -r .venv && make PYTHON=python3.13 run", file=sys.stderr)'

test: .venv/.dev ## run the tests that need no server (PYTEST_ARGS=tests/unit runs only these)
ifdef PYTEST_ARGS
	$(BIN)/python -m pytest $(PYTEST_ARGS)
else
	$(PYTEST) tests/unit tests/house tests/api tests/contract
endif

# Much of the served tests is waiting, so there may be more workers than cores.
test-all: WORKERS := $(shell echo $$(($$(nproc) + 1)))
test-all: .venv/.dev ## run all tests, and fail if a server or tool is missing (.ci/run installs them)
	CI=true $(PYTEST) --all-stores --durations 20

faults: .venv/.dev ## break everything the service depends on, while people use it (docs/reliability.md)
	CI=true $(PYTEST) --all-stores --long -m faults -p tests.faults.recording --durations 20

# Seconds that atheris takes for each target of tests/fuzz.
FUZZ_SECONDS ?= 60
# Where atheris has no wheel, the examples are all there is.
fuzz: .venv/.fuzz ## run what is tested with made-up input for hours: 40 times as many examples, and atheris (FUZZ_SECONDS=60)
	$(BIN)/python -m pytest --numprocesses $(WORKERS) tests/unit tests/api tests/contract tests/e2e/test_schemathesis.py \
	  -m hypothesis --hypothesis-profile thorough --timeout 0 $(PYTEST_ARGS)
	if $(BIN)/python -c 'import atheris' 2>/dev/null; then $(BIN)/python -m tests.fuzz $(FUZZ_SECONDS); \
	  else echo "atheris has no wheel for this machine, so the targets of tests/fuzz were not run." >&2; fi

coverage: .venv/.dev ## run the tests and show which code of app/ they cover
	$(BIN)/python -m pytest --cov --cov-report=term --all-stores $(PYTEST_ARGS)

lint: .venv/.dev ## check style, types and the imports between packages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/.dev ## fix what can be fixed automatically
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/.dev ## run the benchmarks, as ratios to a bare Flask (docs/performance.md)
	$(BIN)/python -m bench

lock: | .venv/bin/uv ## write requirements*.txt from requirements*.in; locked versions stay
	$(LOCK) requirements.in -o requirements.txt
	$(LOCK) --constraint requirements.txt requirements-dev.in -o requirements-dev.txt
	$(LOCK) requirements-fuzz.in -o requirements-fuzz.txt

upgrade: LOCK += --upgrade
upgrade: lock ## the same, with the newest versions

# From the lock, not from what is installed: it lists every platform, and the hashes.
sbom: .venv/.dev ## write sbom.cdx.json: what the service is made of, with versions and hashes (CycloneDX)
	PYTHONWARNINGS=ignore $(BIN)/cyclonedx-py requirements requirements.txt --pyproject pyproject.toml \
	  --output-reproducible --of JSON -o sbom.cdx.json

.venv/bin/uv: # does not depend on .venv/.dev: after a merge, requirements-dev.txt may be what has to be repaired
	$(MAKE) --no-print-directory .venv/.dev

tools: tests/tools/node_modules/.package-lock.json ## build what some tests need: the MongoDB-protocol server, newman, examples, client generators, kustomize
	tests/servers/mongo-java-server/build.sh
	tests/tools/examples.sh mcp
	tests/tools/examples.sh express
	tests/tools/examples.sh go
	tests/tools/examples.sh java
	tests/tools/examples.sh webhooks/node
	tests/tools/examples.sh webhooks/go
	tests/tools/examples.sh webhooks/java
	tests/tools/examples.sh login/go
	tests/tools/examples.sh login/java
	tests/tools/clients.sh python
	tests/tools/clients.sh typescript
	tests/tools/clients.sh go
	tests/tools/clients.sh java
	tests/tools/relying_parties.sh go
	tests/tools/relying_parties.sh spring
	tests/tools/kustomize.sh

tests/tools/node_modules/.package-lock.json: tests/tools/package-lock.json
	npm ci --prefix tests/tools --ignore-scripts --no-audit --no-fund

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Latchkey needs Python 3.11 or later: make PYTHON=python3.11 ...")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "Python has no venv here. On Debian and Ubuntu: sudo apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

# A .venv without pip is incomplete: Python had no ensurepip, or make was stopped.
.venv/.run: .venv/bin/python requirements.txt
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || \
	  { echo "The .venv has no pip, so it is created again." >&2; rm -rf .venv; $(MAKE) --no-print-directory $(BIN)/python; }
	$(INSTALL) -r requirements.txt
	touch $@

.venv/.dev: .venv/.run requirements-dev.txt
	$(INSTALL) -r requirements-dev.txt
	touch $@

.venv/.fuzz: .venv/.dev requirements-fuzz.txt
	$(INSTALL) -r requirements-fuzz.txt
	touch $@
