"""Holds design.md, section 3: who may import whom."""

import ast
import pathlib
import subprocess
import sys

import pytest

import ampose_tf

PACKAGE = pathlib.Path(ampose_tf.__file__).parent

HELPERS = {
    *("commandline", "fields", "files", "published", "ranges", "weights"),
}
GROUND = {"skeleton", "conversion", "camera", "config"}
COLUMNS = {"data", "evaluation", "models"}
DRIVERS = {"training", "exporting", "evaluating", "lifting"}

# From a part of the package to the parts that it may import, besides itself.
BELOW = (
    dict.fromkeys(HELPERS, set())
    | {"ranges": {"fields"}}
    | dict.fromkeys(GROUND, HELPERS)
    | dict.fromkeys(COLUMNS, HELPERS | GROUND)
    # Of evaluation, the metrics alone; see `is_allowed`.
    | {"export": HELPERS | GROUND | {"models", "evaluation"}}
    | dict.fromkeys(DRIVERS, HELPERS | GROUND | COLUMNS | {"export"})
)

# Where TensorFlow and Keras live.
TENSORFLOW = {"data.pipeline", "export"} | DRIVERS
KERAS = {"skeleton", "data", "models", "export"} | DRIVERS
LEGACY = {"tensorflow_model_optimization", "tf_keras"}


def within(module, parts):
    return any(f"{module}.".startswith(f"{part}.") for part in parts)


def imports_of(source, module, is_package=False):
    """Yields (absolute dotted name, whether a function imports it)."""
    tree = ast.parse(source)
    lazy = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) in lazy
        elif isinstance(node, ast.ImportFrom):
            # One dot is the folder that a module lies in, or a package is.
            folder = module.split(".")
            folder = folder[: len(folder) + is_package - node.level]
            start = ".".join(folder) + "." if node.level else ""
            name = (start + (node.module or "")).rstrip(".")
            for alias in node.names:
                yield f"{name}.{alias.name}", id(node) in lazy


def is_allowed(importer, imported):
    """Whether one part of the package, by dotted name, may import another."""
    own, other = importer.split(".")[0], imported.split(".")[0]
    if own == "export" and other == "evaluation":
        return within(imported, ["evaluation.metrics"])
    return other == own or other in BELOW[own]


def faults(source, module, is_package=False):
    """Returns what a module's source does that it may not."""
    inside = module.removeprefix("ampose_tf").lstrip(".")
    found = []
    for name, lazy in imports_of(source, module, is_package):
        top = name.split(".")[0]
        if not inside:
            if top not in sys.stdlib_module_names:
                found.append(f"{module} imports {name}")
            continue
        if top == "ampose_tf":
            other = name.removeprefix("ampose_tf.")
            if other == "__version__":
                continue
            wrong = not is_allowed(inside, other)
            wrong |= (
                inside == "training"
                and not lazy
                and within(other, ["data.pipeline"])
            )
        elif top in LEGACY:
            wrong = inside != "export.compression"
        elif top == "tensorflow":
            wrong = not within(inside, TENSORFLOW)
            wrong |= inside == "training" and not lazy
            wrong |= within(name, ["tensorflow.keras"])
        elif top == "keras":
            wrong = not within(inside, KERAS)
        else:
            continue
        if wrong:
            found.append(f"{module} imports {name}")
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Attribute)
            and node.attr == "keras"
            and isinstance(node.value, ast.Name)
            and node.value.id in ("tf", "tensorflow")
        ):
            found.append(f"{module} writes tf.keras")
    return found


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        yield pytest.param(path, name, is_package, id=name)


@pytest.mark.parametrize(("path", "module", "is_package"), list(modules()))
def test_modules_import_only_what_they_may(path, module, is_package):
    if module != "ampose_tf":
        assert module.split(".")[1] in BELOW, "not in design.md, section 2"
    source = path.read_text(encoding="utf-8")
    assert faults(source, module, is_package) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("files", "from ampose_tf import fields"),
        ("skeleton", "from ampose_tf import camera"),
        ("camera", "from . import skeleton"),
        ("config", "import ampose_tf.conversion"),
        ("camera", "from ampose_tf.data.poses import Poses"),
        ("data.poses", "from ampose_tf.evaluation import metrics"),
        ("data.poses", "from ..models import ampose"),
        ("evaluation.metrics", "from ampose_tf.data.poses import Poses"),
        ("models.ampose", "import ampose_tf.evaluation.metrics"),
        ("models.ampose", "def f():\n    from ampose_tf import data"),
        ("export.verify", "from ampose_tf.data import poses"),
        ("export.verify", "from ampose_tf.evaluation import protocols"),
        ("export.verify", "import ampose_tf.evaluation"),
        ("export.verify", "from ampose_tf import exporting"),
        ("training", "from ampose_tf import exporting"),
        ("lifting.predictor", "from ampose_tf import training"),
        ("data.poses", "from ampose_tf.lifting import formats"),
        ("training", "from ampose_tf.data import pipeline"),
        ("training", "import tensorflow as tf"),
        ("skeleton", "def f():\n    import tensorflow as tf"),
        ("models.layers", "from tensorflow import math"),
        ("models.layers", "import tensorflow.math"),
        ("data.poses", "import tensorflow as tf"),
        ("evaluation.metrics", "import tensorflow as tf"),
        ("evaluation.metrics", "from keras import ops"),
        ("camera", "import keras"),
        ("export.tflite", "import tensorflow_model_optimization as tfmot"),
        ("models.ampose", "import tf_keras"),
        ("export.compression", "from tensorflow import keras"),
        ("export.compression", "from tensorflow.keras import layers"),
        ("export.tflite", "import tensorflow as tf\nx = tf.keras.Model"),
        ("", "import numpy as np"),
        ("", "from ampose_tf import config"),
    ],
)
def test_what_would_be_found(module, source):
    name = f"ampose_tf.{module}".rstrip(".")
    assert len(faults(source, name, is_package=not module)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("config", "from ampose_tf import fields, files"),
        ("data.poses", "from ampose_tf.camera import Camera"),
        ("data.human36m", "from . import archive\nfrom .. import skeleton"),
        ("data.pipeline", "import tensorflow as tf\nx = tf.data.Dataset"),
        ("models.ampose", "from keras import ops\nfrom . import layers"),
        ("skeleton", "def f():\n    from keras import ops"),
        ("evaluation.metrics", "import numpy as np"),
        ("export.verify", "from ampose_tf.evaluation import metrics"),
        ("export.verify", "from ampose_tf.evaluation.metrics import mpjpe"),
        ("export.verify", "from ampose_tf.models import ampose"),
        ("export.compression", "def f():\n    import tf_keras"),
        ("training", "def f():\n    from ampose_tf.data import pipeline"),
        ("training", "from ampose_tf.data.poses import Poses"),
        ("lifting.predictor", "from ampose_tf.export import runtime"),
        ("lifting.predictor", "from ampose_tf.lifting import formats"),
        ("exporting", "from ampose_tf import __version__"),
        ("", "import os"),
    ],
)
def test_what_is_allowed(module, source):
    name = f"ampose_tf.{module}".rstrip(".")
    assert faults(source, name, is_package=not module) == []


def test_the_modules_are_found():
    found = {parameters.id for parameters in modules()}
    assert {"ampose_tf", "ampose_tf.files", "ampose_tf.data.poses"} <= found


@pytest.mark.parametrize(
    "module",
    [
        "ampose_tf",
        "ampose_tf.config",
        "ampose_tf.data.human36m",
        "ampose_tf.data.prepare",
        "ampose_tf.export.describe",
        "ampose_tf.lifting",
        "ampose_tf.lifting.formats",
    ],
)
def test_no_framework_loads_before_it_is_needed(module):
    code = (
        f"import sys, {module}\n"
        "heavy = {'keras', 'tensorflow', 'jax', 'torch', 'matplotlib',"
        " 'cdflib', 'h5py'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or None)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
