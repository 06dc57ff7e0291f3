# Everything installs into .venv from requirements.lock; nothing else is touched.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
DATA ?= data/demo

.PHONY: demo test endurance check soak clean

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

endurance: $(VENV)/.installed     ## tests that take minutes each: whole servers, workers, and kills
	$(BIN)/python -m pytest -m endurance

check: $(VENV)/.installed         ## style, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

DAYS ?= 20
KILLS ?= 10
soak: $(VENV)/.installed          ## simulated days with faults and kills end as the same days without
	$(BIN)/python -m benchmarks.soak --days $(DAYS) --kills $(KILLS)

clean:
	rm -rf $(VENV) data
