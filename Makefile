# PYTHON is any Python from 3.11 on; it makes .venv and starts `make dev`.
PYTHON ?= python3

IN_VENV := .venv/bin/python
PATHS := src packages tools tests bench

.PHONY: dev example key access test test-unit test-worker test-clients soak check bench format deploy \
  lock python prepare prepare-tests prepare-bench prepare-tools

dev: python
	@$(PYTHON) -m tools.dev

# NAME is that of a folder of examples/, such as typescript.
example: python
	@$(PYTHON) -m tools.example '$(NAME)'

key: python
	@$(PYTHON) -m tools.make_key

access: prepare-tools
	@$(IN_VENV) -m tools.access_issuer

# Many thousands of generated cases, which take twice as long when coverage is measured.
GENERATED := tests/unit/test_any_body.py tests/unit/test_caps.py tests/unit/test_workers_ai_agrees.py

# They mostly wait for servers, so they run two at a time: the first two begin, the third follows the
# one that ends first. make 3.81, which macOS has, mixes their lines.
test: prepare-tests
	@echo "Two kinds of tests run at a time, a quarter of an hour; each tells when it has ended."
	@$(MAKE) --no-print-directory --jobs=2 \
	  $(if $(filter output-sync,$(.FEATURES)),--output-sync=line) test-unit test-worker test-clients

test-unit:
	$(IN_VENV) -m coverage run -m pytest tests/unit $(GENERATED:%=--ignore=%)
	$(IN_VENV) -m coverage report

test-worker:
	$(IN_VENV) -m pytest tests/worker

test-clients:
	$(IN_VENV) -m pytest tests/browser
	$(IN_VENV) -m pytest tests/clients
	$(IN_VENV) -m pytest $(GENERATED)

# The short soak of `make test` for ten minutes and more; it prints what memory is taken.
soak: prepare-tests
	SOAK_REQUESTS=20000 SOAK_SECONDS=180 $(IN_VENV) -m pytest -s tests/worker/test_soak.py

check: prepare-tools
	.venv/bin/ruff format --check $(PATHS) examples
	.venv/bin/ruff check $(PATHS) examples
	.venv/bin/mypy $(PATHS)

format: prepare-tools
	.venv/bin/ruff check --fix $(PATHS) examples
	.venv/bin/ruff format $(PATHS) examples

# Figures, not tests: ratios measured in one run, ten minutes at most. The first writes them into
# docs/performance.md.
bench: prepare-bench
	$(IN_VENV) -m bench.performance
	$(IN_VENV) -m bench.local_streams
	$(IN_VENV) -m bench.rpc

deploy: prepare
	@tools/wrangler deploy --env=""

# Writes requirements/ anew from pyproject.toml; needs uv.
lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-annotate --group tools --output-file requirements/tools.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-annotate --group engine --output-file requirements/engine.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-annotate --group clients --constraints requirements/tools.txt \
	  --output-file requirements/clients.txt
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

prepare-tests: python
	@$(PYTHON) -m tools.prepare tools npm vendor runtime reference engine clients \
	  typescript python-binding python-mounted python-in-browser

prepare-bench: python
	@$(PYTHON) -m tools.prepare tools npm vendor runtime reference bench

prepare-tools: python
	@$(PYTHON) -m tools.prepare tools
