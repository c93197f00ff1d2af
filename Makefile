# Needs Python 3.11, 3.12 or 3.13, as `python3` or named, and makes a virtual
# environment for it: make test PYTHON=python3.12 VENV=.venv312
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: install demo test test-all fuzz smoke docs web web-packages web-test lint clean

install: $(VENV)/installed

$(VENV)/installed: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "ampose_tf needs Python 3.11 to 3.13: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[test]'
	$(BIN)/python -m ampose_tf.lifting.blazepose.models || echo "Without BlazePose's models, tests that need them skip."
	touch $@

# The main job on generated motion: train, export, evaluate all files, lift.
DEMO := --config=configs/demo.py

demo: install
	$(BIN)/python train.py $(DEMO) --workdir=runs/demo
	$(BIN)/python evaluate.py $(DEMO) --model=runs/demo/best.keras --report=runs/demo/evaluation.json
	$(BIN)/python export.py $(DEMO) --model=runs/demo/best.keras --output=runs/demo/export --formats=saved_model,float32,float16,dynamic_int8
	$(BIN)/python evaluate.py $(DEMO) --report=runs/demo/export/evaluation.json --model=runs/demo/best.keras --model=runs/demo/export/saved_model --model=runs/demo/export/ampose_float32.tflite --model=runs/demo/export/ampose_float16.tflite --model=runs/demo/export/ampose_dynamic_int8.tflite
	$(BIN)/python lift.py --model=runs/demo/best.keras --keypoints=data/synthetic/clip_S9_Walking.npz --output=runs/demo --overwrite

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

PYTEST := $(BIN)/python -m pytest --numprocesses=2 --dist=loadfile

test: lint
	$(PYTEST) -m "not slow"

test-all: test
	$(PYTEST) -m slow

# Damaged files for every reader; the suite tries 200 for each.
EXAMPLES ?= 10000
SEED ?= 0

fuzz: install
	AMPOSE_FUZZ_EXAMPLES=$(EXAMPLES) $(PYTEST) --dist=load --hypothesis-seed=$(SEED) tests/fuzz

# Builds sdist and wheel, and tries the wheel in a fresh environment.
smoke: install
	rm -rf build/smoke
	bash tests/wheel/smoke.sh $(BIN)/python build/smoke

# The pages in docs/ as a website, into site/.
docs: install
	$(BIN)/python -m mkdocs build --strict

# The browser page, into web/dist: needs npm and Node 20.19, or 22.12 or newer.
web-packages: web/node_modules/.package-lock.json

web/node_modules/.package-lock.json: web/package.json web/package-lock.json
	cd web && npm ci

web: web-packages
	cd web && npm run build

web-test: web install
	cd web && npm test
	AMPOSE_WEB=1 $(BIN)/python -m pytest tests/web

clean:
	rm -rf $(VENV) build dist site *.egg-info web/dist web/node_modules web/public/assets
