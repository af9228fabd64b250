# Each target sets up what it needs. The plain commands stand in README.md.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo demo-smollm2 test coverage chromium lint clean
demo: .venv/.train
	@echo "==> Adapting the built-in student to the demonstration domain"
	@$(BIN)/elenchus launch market

demo-smollm2: .venv/.train
	@echo "==> Fetching SmolLM2-135M-Instruct (once), and adapting it to the demonstration domain"
	@$(BIN)/elenchus models get smollm2
	@$(BIN)/elenchus launch market --profile smollm2

test: .venv/.dev
	@$(MAKE) --no-print-directory chromium
	@echo "==> Style and types"
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy
	@echo "==> Tests"
	@$(BIN)/python -m pytest -n 2 --dist loadfile

# Counting lines makes the tests take a third longer.
coverage: .venv/.dev
	@$(MAKE) --no-print-directory chromium
	@$(BIN)/python -m pytest -n 2 --dist loadfile --cov --cov-report=term

# What opens pages in tests, where it can be installed; else those tests are passed over.
chromium:
	@for name in chromium chromium-browser google-chrome; do \
		command -v $$name >/dev/null && exit 0; \
	done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "==> Installing Chromium, which opens pages in tests (once)"; \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	fi || echo "==> No Chromium: tests in a browser are passed over"

lint: .venv/.dev
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format . && $(BIN)/mypy

.venv/.train: pyproject.toml constraints.txt
	@$(MAKE) --no-print-directory .venv/.python
	@echo "==> Installing Elenchus with local models into .venv (once; about 2 GB)"
	@$(INSTALL) -e '.[train]'
	@touch $@

.venv/.dev: pyproject.toml constraints.txt
	@$(MAKE) --no-print-directory .venv/.python
	@echo "==> Installing Elenchus with local models and development tools into .venv (once)"
	@$(INSTALL) -e '.[train,dev]'
	@touch $@ .venv/.train

.venv/.python:
	@echo "==> Making the virtual environment .venv"
	@$(PYTHON) -m venv .venv
	@touch $@

clean:
	rm -rf .venv runs indexes
