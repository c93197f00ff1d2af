# Needs Python 3.11 or later, as `python3` or named: make PYTHON=python3.12
PYTHON ?= python3
# The environment that is made: make PYTHON=python3.12 VENV=.venv-3.12
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: install demo test test-all lint clean

install: $(VENV)/installed

$(VENV)/installed: setup.cfg pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "ampose_tf needs Python 3.11 or later: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[test]'
	touch $@

# The main job on generated motion: train, export, evaluate all files, lift.
DEMO := --config=configs/demo.py

demo: install
	$(BIN)/python train.py $(DEMO) --workdir=runs/demo
	$(BIN)/python evaluate.py $(DEMO) --model=runs/demo/best.keras --report=runs/demo/evaluation.json
	$(BIN)/python export.py $(DEMO) --model=runs/demo/best.keras --output=runs/demo/export --formats=saved_model,float32,float16,dynamic_int8
	$(BIN)/python evaluate.py $(DEMO) --report=runs/demo/export/evaluation.json --model=runs/demo/best.keras --model=runs/demo/export/saved_model/1 --model=runs/demo/export/ampose_float32.tflite --model=runs/demo/export/ampose_float16.tflite --model=runs/demo/export/ampose_dynamic_int8.tflite
	$(BIN)/python lift.py --model=runs/demo/best.keras --keypoints=data/synthetic/clip_S9_Walking.npz --output=runs/demo --overwrite

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

PYTEST := $(BIN)/python -m pytest --numprocesses=2 --dist=loadfile

test: lint
	$(PYTEST) -m "not slow"

test-all: test
	$(PYTEST) -m slow

clean:
	rm -rf $(VENV) build *.egg-info
