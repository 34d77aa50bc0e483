# Each target installs what it needs first: see scripts/install.py.
PYTHON ?= python3
VENV_PYTHON := .venv/bin/python
# Runs a command on a virtual screen where there is no real one.
ON_SCREEN := $(VENV_PYTHON) -m vinn_core.cli.virtual_display
# Hand options on: make run ARGS="--workspace ~/lift", make test ARGS="-k index", make bench ARGS="--save bench.json"
ARGS ?=
WORKSPACE ?= demo-report/workspaces/none

.PHONY: help run demo test lint ruff types contracts format bench docs install install-dev clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

run: install ## start the window; without a display: the same as make demo
	@if problem=$$($(VENV_PYTHON) -m vinn_core.cli.virtual_display --check); then \
		$(VENV_PYTHON) main.py $(ARGS); \
	else \
		echo "No window can be shown: $$problem. Running the whole loop headless instead, as make demo."; \
		$(MAKE) --no-print-directory demo; \
	fi

demo: install ## demonstrations, training, index and rollouts without a window; the report goes to demo-report/
	$(VENV_PYTHON) -m vinn_core.cli.demo $(ARGS)
	$(ON_SCREEN) $(VENV_PYTHON) -m app.screenshot demo-report/window.png --workspace demo-report/workspaces/none

test: install-dev ## all tests
	$(VENV_PYTHON) -m pytest $(ARGS)

lint: ruff types contracts ## ruff, pyright and the import contracts

ruff: install-dev
	$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) -m ruff format --check .

types: install-dev
	$(VENV_PYTHON) -m pyright --pythonpath $(VENV_PYTHON)

contracts: install-dev # uncached: the cache misses modules that came since
	$(VENV_PYTHON) -c "from importlinter.cli import lint_imports_command; lint_imports_command()" --no-cache

format: install-dev ## let ruff lay out the code
	$(VENV_PYTHON) -m ruff check --fix .
	$(VENV_PYTHON) -m ruff format .

bench: install-dev ## benchmarks against peers; ARGS="--save FILE" or ARGS="--compare FILE"
	$(ON_SCREEN) $(VENV_PYTHON) benchmarks/run_all.py $(ARGS)

docs: install ## make the picture in docs/images again, from a workspace with an index: WORKSPACE=FOLDER
	$(ON_SCREEN) $(VENV_PYTHON) -m app.screenshot docs/images/window.png --workspace $(WORKSPACE)

install: ## what a user needs
	@$(PYTHON) scripts/install.py

install-dev: ## what a developer needs
	@$(PYTHON) scripts/install.py --dev

clean: ## remove what the targets above made, but no workspace
	rm -rf .venv build dist demo-report benchmarks/results *.egg-info .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
