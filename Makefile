# Everything installs into .venv from requirements.lock; nothing else is touched.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
DATA ?= data/demo

.PHONY: demo test check clean

$(VENV)/.installed: requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python -m sm_core.fusion
	touch $@

demo: $(VENV)/.installed          ## the whole chain on a simulated region, end to end
	$(BIN)/sm-daily demo --data $(DATA)

test: $(VENV)/.installed          ## all tests; those on real files run where SM_REAL_DATA names a folder
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: $(VENV)/.installed         ## style, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) data
