# PYTHON is any Python from 3.11 on; it makes .venv and starts `make dev`.
PYTHON ?= python3

IN_VENV := .venv/bin/python
PATHS := src packages tools tests bench

.DEFAULT_GOAL := help

.PHONY: help dev example key access test test-all test-rest test-unit test-worker test-browser \
  test-clients test-edgewise test-others \
  soak check bench format deploy lock python prepare prepare-bench prepare-tools

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-22s%s\n", $$1, $$2}'
	@echo "\nREADME.md and CONTRIBUTING.md say more."

dev: python ## serve on http://localhost:8787, with no account and no network
	@$(PYTHON) -m tools.dev

example: python ## serve an app with Edgewise in it: NAME=typescript, or another of examples/
	@$(PYTHON) -m tools.example '$(NAME)'

key: python ## make a key for a caller: NAME=shop
	@$(PYTHON) -m tools.make_key

access: prepare-tools ## run Cloudflare Access on this machine, to try it
	@$(IN_VENV) -m tools.access_issuer

# A tier has a quick part, which `make test` runs, and a rest: tests/harness/parts.py. TESTS (paths)
# and K (as pytest's -k) choose tests of both, such as `make test-unit K=keys`.
PART := $(if $(TESTS)$(K),all,quick)
SETUP = $(PYTHON) -m tools.prepare
PYTEST = $(IN_VENV) -m pytest --part $(PART) $(if $(K),-k '$(K)')
UNIT_STEPS := venv tools npm test-npm
WORKER_STEPS := venv tools npm vendor runtime reference
BROWSER_STEPS := $(WORKER_STEPS) test-npm playwright
OTHERS := tests/client/worker tests/tools/worker tests/workers_ai_local/worker
# What the rest needs besides.
UNIT_MORE := typescript
WORKER_MORE := engine typescript python-binding python-mounted
BROWSER_MORE := typescript python-in-browser
CLIENTS_MORE := clients

# They mostly wait for servers, so two kinds run at a time, the longest first. make 3.81, which macOS
# has, mixes their lines.
KINDS := test-edgewise test-others test-unit test-browser test-clients
TWO_AT_A_TIME = $(MAKE) --no-print-directory --jobs=2 --keep-going \
  $(if $(filter output-sync,$(.FEATURES)),--output-sync=line)

test: python ## run what matters most of every kind of test: five minutes at most
	@$(SETUP) $(BROWSER_STEPS)
	@echo "Two kinds of tests run at a time, some minutes in all; each tells when it has ended."
	@$(TWO_AT_A_TIME) $(KINDS)

test-all: ## run every test: half an hour
	@$(MAKE) --no-print-directory test
	@$(MAKE) --no-print-directory test-rest

test-rest: python ## run what `make test` leaves out
	@$(SETUP) $(BROWSER_STEPS) $(WORKER_MORE) $(BROWSER_MORE) $(CLIENTS_MORE)
	@$(TWO_AT_A_TIME) PART=rest $(KINDS)

test-unit: python ## run the tests of Python alone; TESTS=path or K=word chooses
	@$(SETUP) $(UNIT_STEPS) $(if $(filter quick,$(PART)),,$(UNIT_MORE))
ifeq ($(PART),quick)
	$(IN_VENV) -m coverage run -m pytest --part quick tests/*/unit
	$(IN_VENV) -m coverage report
else
	$(PYTEST) $(or $(TESTS),tests/*/unit)
endif

test-worker: python ## run the tests of the real Worker in workerd; TESTS, K
	@$(SETUP) $(WORKER_STEPS) $(if $(filter quick,$(PART)),,$(WORKER_MORE))
	$(PYTEST) $(or $(TESTS),tests/*/worker)

# Half of them each.
test-edgewise test-others: python
	@$(SETUP) $(WORKER_STEPS) $(if $(filter quick,$(PART)),,$(WORKER_MORE))
	$(PYTEST) $(if $(filter test-edgewise,$@),tests/edgewise/worker,$(OTHERS))

test-browser: python ## run the tests of the pages in Chromium; TESTS, K
	@$(SETUP) $(BROWSER_STEPS) $(if $(filter quick,$(PART)),,$(BROWSER_MORE))
	$(PYTEST) $(or $(TESTS),tests/*/browser)

test-clients: python ## run the tests with clients that others wrote; TESTS, K
	@$(SETUP) $(BROWSER_STEPS) $(if $(filter quick,$(PART)),,$(CLIENTS_MORE))
	$(PYTEST) $(or $(TESTS),tests/*/clients)

# It prints what memory is taken.
soak: python ## send 20,000 requests to the Worker, ten minutes and more
	@$(SETUP) $(WORKER_STEPS)
	SOAK_REQUESTS=20000 SOAK_SECONDS=180 $(IN_VENV) -m pytest -s tests/edgewise/worker/test_soak.py

check: prepare-tools ## look at format, lint, types and prose
	.venv/bin/ruff format --check $(PATHS) examples
	.venv/bin/ruff check $(PATHS) examples
	.venv/bin/codespell
	$(IN_VENV) -m tools.prose
	.venv/bin/mypy $(PATHS)
	.venv/bin/actionlint -shellcheck= -pyflakes= .github/workflows/*.yml

format: prepare-tools ## mend format and lint
	.venv/bin/ruff check --fix $(PATHS) examples
	.venv/bin/ruff format $(PATHS) examples

# Figures, not tests: ratios measured in one run, ten minutes at most. The last one writes a page
# into .build/bench; with PUBLISH=1 that in docs, which git tracks.
bench: prepare-bench ## measure: ten minutes; PUBLISH=1 writes docs/performance.md
	$(IN_VENV) -m bench local_streams
	$(IN_VENV) -m bench rpc
	$(IN_VENV) -m bench performance

deploy: prepare ## deploy to Cloudflare
	@tools/wrangler deploy --env=""

lock: ## write requirements/ anew from pyproject.toml; needs uv
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-annotate --group tools --output-file requirements/tools.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-annotate --group run --constraints requirements/tools.txt \
	  --output-file requirements/run.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-annotate --group engine --output-file requirements/engine.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-annotate --group clients --constraints requirements/tools.txt \
	  --output-file requirements/clients.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-annotate --group playwright --constraints requirements/tools.txt \
	  --output-file requirements/playwright.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-annotate --extra browser --output-file requirements/browser.txt \
	  packages/edgewise-client/pyproject.toml
	uv pip compile --quiet --universal --python-version 3.14 --generate-hashes --no-header \
	  --no-annotate --output-file requirements/worker.txt pyproject.toml
	uv pip compile --quiet --universal --python-version 3.14 --generate-hashes --no-header \
	  --no-annotate --group bench --output-file requirements/bench.txt

define REQUIRE_PYTHON
import sys
if sys.version_info < (3, 11):
    sys.exit("Edgewise needs Python 3.11 or newer; $(PYTHON) is %d.%d.\n"
             "Name a newer one: make $(MAKECMDGOALS) PYTHON=python3.12" % sys.version_info[:2])
endef
export REQUIRE_PYTHON

python:
	@command -v $(PYTHON) >/dev/null || \
	  { echo "Edgewise needs Python 3.11 or newer, and there is no $(PYTHON)."; exit 1; } >&2
	@$(PYTHON) -c "$$REQUIRE_PYTHON"

prepare: python
	@$(PYTHON) -m tools.prepare

prepare-bench: python
	@$(PYTHON) -m tools.prepare venv npm vendor runtime reference bench

prepare-tools: python
	@$(PYTHON) -m tools.prepare venv tools
