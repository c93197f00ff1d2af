"""Who may import whom: rows, rooms and their doors, and no circles."""

import ast
import collections
import graphlib
import pathlib
import subprocess
import sys

import pytest

import ampose_tf
from ampose_tf import data, evaluation, lifting

PACKAGE = pathlib.Path(ampose_tf.__file__).parent

# From the bottom: a row imports from rows below it, and a part of a row from
# no other part of that row.
ROWS = (
    # The ground, in four rows.
    ("reading",),
    ("progress", "locks", "interrupts"),
    (
        "lazy",
        "confined",
        "files",
        "hdf5",
        "unpacking",
        "unpickling",
        "published",
        "skeleton",
        "camera",
        "weights",
        "config",
    ),
    ("conversion", "data.archive", "data.poses"),
    ("data", "evaluation", "models"),
    ("export", "devices"),
    ("training", "evaluating", "exporting", "lifting"),
    ("serving", "bulk"),
)
GROUND = {part for row in ROWS[:4] for part in row}
# All that a part may import of one below it.
PARTLY = {
    ("export", "evaluation"): ("evaluation.metrics",),
    ("export", "data"): (),
}

# Rooms, folders within folders, and the modules that may open them. A room
# imports the plain modules beside it and the ground.
DOORS = {
    "export.checks": {"export.untrusted", "export.describe"},
    "data.augmentation": {"data.pipeline", "data.jax_pipeline"},
    "data.synthesis": {"data.synthetic"},
    "data.preparation": {"data.prepare"},
    "lifting.readers": {"lifting.formats"},
    # A room within a room: what is beside it is what the forms share.
    "lifting.readers.forms": {"lifting.formats"},
    "lifting.writers": {"lifting.saving"},
    "lifting.viewers": {"lifting.saving"},
    "lifting.many": {"lifting.command"},
    "lifting.blazepose": {"lifting.video"},
    # Its __init__ is the door.
    "lifting.doctor": set(),
}
MOST_MODULES = 20

# Lazily, by a method that people look for there.
EXCEPTION = ("lifting.motion", "lifting.saving")

# Where TensorFlow and Keras live.
TENSORFLOW = (
    "data.pipeline",
    "data.preparation.sharding",
    "data.shards",
    "bulk.examples",
    *ROWS[5],
    *ROWS[6],
)
KERAS = ("skeleton", "conversion", "data", "models", *ROWS[5], *ROWS[6])
# Packages that a single module or folder is about.
ALONE = {
    "tensorflow_model_optimization": "export.compression",
    "tf_keras": "export.compression",
    "tensorflow_serving": "export.tf_serving",
    "apache_beam": "bulk",
    "pyarrow": "bulk",
    "kserve": "serving",
}
# Names for users: inside the package they are imported from their modules.
PUBLIC = {
    f"{package.__name__}.{name}"
    for package in (ampose_tf, data, evaluation, lifting)
    for name in package.__all__
}
# They know joints only as a skeleton or an adjacency handed in.
ANY_SKELETON = ("models.layers", "models.ampose")


def is_within(module, *parts):
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


def part_of(module):
    """Returns (row, part) of a module; a longer name is more exact."""
    found = [
        (len(part), number, part)
        for number, row in enumerate(ROWS)
        for part in row
        if is_within(module, part)
    ]
    return max(found)[1:] if found else None


def room_of(module):
    rooms = [room for room in DOORS if is_within(module, room)]
    return max(rooms, key=len, default=None)


def is_allowed(importer, imported):
    """Whether a module, by dotted name, may import another of the package."""
    if imported == "__version__":
        return True
    if part_of(importer) is None or part_of(imported) is None:
        return False
    (row, part), (other_row, other) = part_of(importer), part_of(imported)
    if part != other and row <= other_row:
        return False
    only = PARTLY.get((part, other))
    if only is not None and not is_within(imported, *only):
        return False
    room, opened = room_of(importer), room_of(imported)
    if room and room != opened:
        beside = imported.split(".")[0] == room.split(".")[0]
        outer = room_of(room.rpartition(".")[0])
        return (other in GROUND or beside) and opened in (None, outer)
    if opened and room != opened:
        # Names of the room's own __init__ are lower or capital, modules lie
        # in files.
        inside = imported.removeprefix(f"{opened}.").split(".")[0]
        deeper = (PACKAGE / opened.replace(".", "/") / f"{inside}.py").exists()
        return importer in DOORS[opened] or (not DOORS[opened] and not deeper)
    return True


def faults(source, module, is_package=False):
    """Returns what a module's source does that it may not."""
    inside = module.removeprefix("ampose_tf").lstrip(".")
    found = []
    for name, lazy in imports_of(source, module, is_package):
        top = name.split(".")[0]
        if not inside:
            # Public names are lazy; ground costs nothing.
            wrong = not lazy and top not in (
                *sys.stdlib_module_names,
                "ampose_tf",
            )
        elif top == "ampose_tf":
            other = name.removeprefix("ampose_tf.")
            wrong = not is_allowed(inside, other)
            wrong |= (
                inside == "training"
                and not lazy
                and is_within(other, "data.pipeline")
            )
            wrong |= name in PUBLIC
            wrong |= inside in ANY_SKELETON and "H36M" in other
            wrong |= not lazy and (inside, other) == EXCEPTION
        elif top in ALONE:
            wrong = not is_within(inside, ALONE[top])
        elif top == "tensorflow":
            wrong = not is_within(inside, *TENSORFLOW)
            wrong |= inside in ("data.shards", "training") and not lazy
            wrong |= is_within(name, "tensorflow.keras")
        elif top == "keras":
            wrong = not is_within(inside, *KERAS)
        else:
            wrong = False
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


def circle(sources):
    """Returns modules that import each other in a circle, or [].

    Args:
        sources: {module: (source, is_package)} of dotted names.
    """
    graph = {}
    for module, (source, is_package) in sources.items():
        graph[module] = set()
        for name, lazy in imports_of(source, module, is_package):
            target = name
            while target and target not in sources:
                target = target.rpartition(".")[0]
            arrow = tuple(
                end.removeprefix("ampose_tf.") for end in (module, target)
            )
            if name == "ampose_tf.__version__" or (
                lazy and arrow == EXCEPTION
            ):
                continue
            if target and target != module:
                graph[module].add(target)
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        yield pytest.param(path, name, is_package, id=name)


@pytest.mark.parametrize(("path", "module", "is_package"), list(modules()))
def test_modules_import_only_what_they_may(path, module, is_package):
    inside = module.removeprefix("ampose_tf").lstrip(".")
    assert not inside or part_of(inside), "in no row"
    source = path.read_text(encoding="utf-8")
    assert faults(source, module, is_package) == []


def test_no_module_imports_itself_by_way_of_others():
    sources = {
        module: (path.read_text(encoding="utf-8"), is_package)
        for path, module, is_package in (p.values for p in modules())
    }
    assert circle(sources) == []


@pytest.mark.parametrize(
    ("one", "other", "round"),
    [
        ("from ampose_tf import b", "x = 1", False),
        ("from ampose_tf import b", "import ampose_tf.a", True),
        ("from ampose_tf.b import c", "from . import a", True),
        ("from ampose_tf.b import c", "def f():\n  from . import a", True),
        (
            "from ampose_tf import b",
            "from ampose_tf import __version__",
            False,
        ),
    ],
)
def test_what_a_circle_is(one, other, round):
    package = "def f():\n  from ampose_tf import a"
    sources = {
        "ampose_tf": (package, True),
        "ampose_tf.a": (one, False),
        "ampose_tf.b": (other, False),
    }
    assert bool(circle(sources)) is round


def test_the_one_circle_that_is_allowed_is_lazy():
    saving = ("from ampose_tf.lifting import motion", False)
    for motion, found in (
        ("def f():\n  from ampose_tf.lifting import saving", False),
        ("from ampose_tf.lifting import saving", True),
    ):
        sources = {
            "ampose_tf.lifting.motion": (motion, False),
            "ampose_tf.lifting.saving": saving,
        }
        assert bool(circle(sources)) is found


def test_folders_are_small_and_rooms_are_where_they_should_be():
    counted = collections.Counter(
        path.relative_to(PACKAGE).parent.as_posix()
        for path, *_ in (p.values for p in modules())
    )
    assert max(counted.values()) <= MOST_MODULES
    rooms = {name.replace("/", ".") for name in counted if "/" in name}
    assert rooms == set(DOORS)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("files", "from ampose_tf import published"),
        ("skeleton", "from ampose_tf import camera"),
        ("skeleton", "from ampose_tf import conversion"),
        ("camera", "from . import skeleton"),
        ("config.sections", "import ampose_tf.conversion"),
        ("camera", "from ampose_tf.data.poses import Poses"),
        ("data.poses", "from ampose_tf.data import mocap"),
        ("data.poses", "from ampose_tf.evaluation import metrics"),
        ("data.poses", "from ..models import ampose"),
        ("evaluation.metrics", "from ampose_tf.data.mocap import Motion3D"),
        ("models.ampose", "import ampose_tf.evaluation.metrics"),
        ("models.ampose", "def f():\n    from ampose_tf.data import feed"),
        ("models.layers", "from ampose_tf.skeleton import H36M_17"),
        ("export.verify", "from ampose_tf.data import mocap"),
        ("export.verify", "from ampose_tf.evaluation import protocols"),
        ("export.verify", "import ampose_tf.evaluation"),
        ("export.verify", "from ampose_tf import exporting"),
        ("training", "from ampose_tf import exporting"),
        ("lifting.predictor", "from ampose_tf import training"),
        ("data.poses", "from ampose_tf.lifting import formats"),
        ("training", "from ampose_tf.data import pipeline"),
        ("training", "import tensorflow as tf"),
        ("data.shards", "import tensorflow as tf"),
        ("skeleton", "def f():\n    import tensorflow as tf"),
        ("models.layers", "from tensorflow import math"),
        ("models.layers", "import tensorflow.math"),
        ("data.poses", "import tensorflow as tf"),
        ("evaluation.metrics", "import tensorflow as tf"),
        ("evaluation.metrics", "from keras import ops"),
        ("camera", "import keras"),
        ("export.tflite", "import tensorflow_model_optimization as tfmot"),
        ("models.ampose", "import tf_keras"),
        ("exporting", "from tensorflow_serving.apis import predict_pb2"),
        ("lifting.lifter", "import apache_beam as beam"),
        ("lifting.singles", "import pyarrow as pa"),
        ("lifting.singles", "from ampose_tf.bulk import tables"),
        ("bulk.tables", "import tensorflow as tf"),
        ("lifting.lifter", "from kserve import Model"),
        ("bulk", "from ampose_tf.serving import model"),
        ("export.compression", "from tensorflow import keras"),
        ("export.compression", "from tensorflow.keras import layers"),
        ("export.tflite", "import tensorflow as tf\nx = tf.keras.Model"),
        ("", "import numpy as np"),
        ("surplus", "from ampose_tf import config"),
        ("lazy", "from ampose_tf import files"),
        ("exporting", "from ampose_tf import H36M_17"),
        ("exporting", "from ampose_tf.data import Poses"),
        ("lifting.command", "from ampose_tf.lifting import Lifter"),
        # Rooms.
        ("lifting.lifter", "from ampose_tf.lifting.readers import streams"),
        ("lifting.lifter", "import ampose_tf.lifting.writers.trc"),
        ("lifting.lifter", "from ampose_tf.lifting.doctor import sides"),
        ("lifting.formats", "from ampose_tf.lifting.writers import trc"),
        ("lifting.command", "from ampose_tf.lifting.blazepose import models"),
        ("lifting.readers.tracks", "from ampose_tf.lifting.writers import x"),
        ("lifting.readers.tracks", "from ampose_tf.lifting import doctor"),
        ("lifting.writers.rig", "from ampose_tf.data.mocap import Motion3D"),
        ("lifting.motion", "from ampose_tf.lifting import saving"),
        ("data.mocap", "from ampose_tf.data.augmentation import bodies"),
        ("data.sources", "from ampose_tf.data.synthesis import anatomy"),
        ("training", "from ampose_tf.data.augmentation import bodies"),
        ("exporting", "from ampose_tf.data.preparation import bvh"),
    ],
)
def test_what_would_be_found(module, source):
    name = f"ampose_tf.{module}".rstrip(".")
    assert len(faults(source, name, is_package=not module)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("config.sections", "from ampose_tf.config import fields, ranges"),
        ("data.poses", "from ampose_tf.camera import Camera"),
        ("conversion", "from ampose_tf.skeleton import H36M_17"),
        ("data.human36m", "from . import archive\nfrom .. import skeleton"),
        ("data.pipeline", "import tensorflow as tf\nx = tf.data.Dataset"),
        ("data.pipeline", "from ampose_tf.data.augmentation import bodies"),
        ("evaluation.metrics", "from ampose_tf.data.poses import Poses"),
        ("models.ampose", "from keras import ops\nfrom . import layers"),
        ("models.layers", "from ampose_tf.skeleton import Skeleton"),
        ("skeleton", "def f():\n    from keras import ops"),
        ("evaluation.metrics", "import numpy as np"),
        ("export.verify", "from ampose_tf.evaluation import metrics"),
        ("export.verify", "from ampose_tf.evaluation.metrics import mpjpe"),
        ("export.verify", "from ampose_tf.models import ampose"),
        ("export.verify", "from ampose_tf.data.poses import Poses"),
        ("export.compression", "def f():\n    import tf_keras"),
        ("training", "def f():\n    from ampose_tf.data import pipeline"),
        ("data.shards", "def f():\n    import tensorflow as tf"),
        ("training", "from ampose_tf.data.poses import Poses"),
        ("lifting.predictor", "from ampose_tf.export import runtime"),
        ("lifting.predictor", "from ampose_tf.lifting import formats"),
        ("lifting.lifter", "from ampose_tf.lifting import doctor"),
        ("lifting.lifter", "from ampose_tf.lifting.doctor import examine"),
        ("lifting.formats", "from ampose_tf.lifting.readers import streams"),
        ("lifting.readers.tracks", "from ampose_tf.lifting import keypoints"),
        ("lifting.doctor.symptoms", "from ampose_tf.data import archive"),
        (
            "lifting.motion",
            "def f():\n    from ampose_tf.lifting import saving",
        ),
        ("bulk", "import apache_beam\nfrom ampose_tf.lifting import lifter"),
        ("bulk.pipeline", "import apache_beam as beam\nimport pyarrow"),
        ("bulk.examples", "def f():\n    import tensorflow as tf"),
        ("serving.model", "import kserve\nfrom ampose_tf.lifting import root"),
        ("exporting", "from ampose_tf import __version__"),
        ("evaluation", "from ampose_tf import lazy"),
        ("", "import os"),
        ("", "def f():\n    from ampose_tf.lifting.lifter import Lifter"),
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
        "ampose_tf.bulk.__main__",
        "ampose_tf.config",
        "ampose_tf.data.human36m",
        "ampose_tf.data.prepare",
        "ampose_tf.data.synthetic",
        "ampose_tf.evaluation.figure",
        "ampose_tf.export.describe",
        "ampose_tf.lifting",
        "ampose_tf.lifting.blazepose.models",
        "ampose_tf.lifting.command",
        "ampose_tf.lifting.formats",
        "ampose_tf.lifting.saving",
        "ampose_tf.serving.__main__",
        "benchmarks.doctor",
        "benchmarks.mobile",
    ],
)
def test_no_framework_loads_before_it_is_needed(module):
    code = (
        f"import sys, {module}\n"
        "heavy = {'keras', 'tensorflow', 'jax', 'torch', 'matplotlib',"
        " 'cdflib', 'h5py', 'apache_beam', 'pyarrow'}\n"
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
