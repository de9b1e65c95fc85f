# Thin over the `maeari` command. Needs Python 3.11 or 3.12, git and make; everything else comes with `make setup`.
SHELL := /bin/bash
.ONESHELL:
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-journey test-browser up down status psql sql lint clean

PYTHON := .venv/bin/python
MAEARI := .venv/bin/maeari
INSTALLED := .venv/.installed
MAEARI_HOME ?= .maeari

help: ## Show these lines
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do
		printf '  make %-14s %s\n' "$$name" "$$text"
	done

setup: $(INSTALLED) ## Make .venv from the locked packages; nothing happens when it is current

$(INSTALLED): requirements.lock requirements-uv.lock pyproject.toml
	@# A name on the PATH may be a version manager's stand-in that does not run, so each is tried.
	find_python() {
		local name
		for name in python3.12 python3.11 python3; do
			if "$$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' \
				> /dev/null 2>&1; then
				echo "$$name"
				return
			fi
		done
		echo "No working Python 3.11 or 3.12 with its venv module was found on the PATH." >&2
		echo "On Debian or Ubuntu: apt-get install python3 python3-venv; then run make again." >&2
		return 1
	}
	if ! $(PYTHON) -m pip --version > /dev/null 2>&1; then
		python="$$(find_python)"
		echo "Making .venv with $$("$$python" --version) …"
		"$$python" -m venv --clear .venv
	fi
	# Byte code is what makes Airflow, dbt and MLflow start in a third of the time.
	unset PYTHONDONTWRITEBYTECODE
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.lock
	echo "Installing the locked packages …"
	$(PYTHON) -m uv pip sync --quiet --python $(PYTHON) --require-hashes --compile-bytecode requirements.lock
	$(PYTHON) -m uv pip install --quiet --python $(PYTHON) --no-deps --no-build-isolation -e .
	$(PYTHON) -m compileall -q cli crawlers dags demo imports maeari ml monitoring web
	touch $@

demo: setup ## Show the whole way: crawl, import, build, train, approve, score, monitor; leaves the stack up
	@$(MAEARI) demo

test: setup ## Run every test but the journey and those that need a browser
	@# A file a core, and one more: many wait for a process or a site.
	$(PYTHON) -m pytest tests --ignore=tests/browser --ignore=tests/journey \
		-n $$(( $$(nproc) + 1 )) --dist loadfile --no-loadscope-reorder

test-journey: setup ## Run the whole way on a whole stack: the demo, a release, and four weeks more
	$(PYTHON) -m pytest tests/journey

test-browser: setup ## Run the browser tests; installs Debian's Chromium when it is missing
	@if ! command -v chromium > /dev/null; then
		as_root=$$([ "$$(id -u)" = 0 ] || echo sudo)
		$$as_root apt-get update --quiet
		DEBIAN_FRONTEND=noninteractive $$as_root apt-get install --yes --quiet --no-install-recommends \
			chromium fonts-noto-cjk
	fi
	$(PYTHON) -m pytest tests/browser

up: setup ## Start Postgres, Airflow, MLflow and, where a demo world lies, its website
	@$(MAEARI) up

down: ## Stop everything that `up` or `demo` started
	@if [ -x $(MAEARI) ]; then $(MAEARI) down; fi

status: setup ## Show each part, its address and its process
	@$(MAEARI) status

psql: setup ## Open the warehouse in psql as the analyst
	@$(MAEARI) psql

sql: setup ## Ask one question: make sql q="select count(*) from marts.fct_reviews"
	@$(MAEARI) sql "$(q)"

lint: setup ## Check style and imports
	@$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

clean: ## Stop the stack and remove its state; .venv stays
	@$(MAKE) --no-print-directory down
	if [ -e "$(MAEARI_HOME)" ] && [ ! -f "$(MAEARI_HOME)/secrets.json" ] && [ ! -f "$(MAEARI_HOME)/demo/world.json" ]; then
		echo "$(MAEARI_HOME) holds neither secrets.json nor demo/world.json, so it is no home of Maeari: left alone." >&2
		exit 1
	fi
	rm -rf "$(MAEARI_HOME)" .pytest_cache .ruff_cache .hypothesis dbt/target dbt/logs
