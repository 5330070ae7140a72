# Two commands matter: `make demo` runs the main job, `make test` passes the tests. Both set themselves up in .venv.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export UV_NO_CONFIG := 1
export NO_MKDOCS_2_WARNING := 1

.PHONY: help demo test check format lock bench docs api screens setup clean

help: ## Say what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/installed ## The whole way on one machine (ARGS="--headless --minutes 3" for a summary instead of screens)
	$(BIN)/shouwang demo $(ARGS)

test: $(VENV)/installed ## Every test (ARGS="-k feed" for some)
	$(BIN)/pytest $(ARGS)

check: $(VENV)/installed ## Lint, types, docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m cloud.web_types --check
	$(BIN)/mkdocs build --strict --quiet --site-dir $(VENV)/site

format: $(VENV)/installed ## Put the code in form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/installed ## Measure (docs/performance.md says what and where the figures go)
	$(BIN)/python -m benchmarks $(ARGS)

docs: $(VENV)/installed ## Write docs/devices.md and docs/schemas again, and serve the documentation on 127.0.0.1:8001
	$(BIN)/python -m device_profiles.authoring.devices_table docs/devices.md
	$(BIN)/python -m device_profiles.authoring.schema docs/schemas
	$(BIN)/mkdocs serve --dev-addr 127.0.0.1:8001

api: $(VENV)/installed ## Write the screens' types of the API again (cloud/web/src/schema.d.ts)
	$(BIN)/python -m cloud.web_types

screens: $(VENV)/installed ## Build the screens again (only if their sources changed)
	$(BIN)/python hatch_build.py

lock: $(VENV)/uv ## Lock the dependencies again, with hashes
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
		--custom-compile-command "make lock" --group dev pyproject.toml --output-file requirements.lock --quiet

setup: $(VENV)/installed ## Everything in .venv

clean: ## Take away what was built
	rm -rf $(VENV) cloud/web/dist cloud/web/node_modules site .pytest_cache .mypy_cache .ruff_cache

$(VENV)/uv: requirements-uv.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements-uv.lock
	@touch $@

$(VENV)/dependencies: requirements.lock $(VENV)/uv
	$(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes requirements.lock requirements-uv.lock
	@touch $@

# The install runs hatch_build.py, which builds the screens; sources are named so that a change rebuilds them.
SCREENS := $(shell find cloud/web -path cloud/web/node_modules -prune -o -path cloud/web/dist -prune -o -type f -print 2>/dev/null)
$(VENV)/installed: pyproject.toml hatch_build.py $(SCREENS) $(VENV)/dependencies
	$(BIN)/uv pip install --quiet --no-deps --editable .
	@touch $@
