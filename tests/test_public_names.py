"""What users import: `from ampose_tf import Lifter`, and so on."""

import ast
import importlib
import pathlib
import subprocess
import sys

import pytest

import ampose_tf
from ampose_tf import data, evaluation, lifting

OF_AMPOSE_TF = {
    "AMPose": ("ampose_tf.models.ampose", "AMPose"),
    "Config": ("ampose_tf.config.sections", "Config"),
    "H36M_16": ("ampose_tf.skeleton", "H36M_16"),
    "H36M_17": ("ampose_tf.skeleton", "H36M_17"),
    "Lifter": ("ampose_tf.lifting.lifter", "Lifter"),
    "Motion": ("ampose_tf.lifting.motion", "Motion"),
    "load_motion": ("ampose_tf.lifting.results", "load"),
    "load_predictor": ("ampose_tf.lifting.predictor", "load_predictor"),
    "read_keypoints": ("ampose_tf.lifting.formats", "read"),
    "read_video": ("ampose_tf.lifting.video", "read_video"),
}
PLACES = {
    ampose_tf: OF_AMPOSE_TF,
    lifting: {
        **OF_AMPOSE_TF,
        "Butterworth": ("ampose_tf.lifting.smoothing", "Butterworth"),
        "LiftedTrack": ("ampose_tf.lifting.motion", "LiftedTrack"),
        "OneEuro": ("ampose_tf.lifting.smoothing", "OneEuro"),
        "examine": ("ampose_tf.lifting.doctor.examination", "examine"),
    },
    evaluation: {
        name: ("ampose_tf.evaluation.metrics", name)
        for name in ("mpjpe", "p_mpjpe", "n_mpjpe", "pck", "auc")
    },
    data: {
        "Motion3D": ("ampose_tf.data.mocap", "Motion3D"),
        "Poses": ("ampose_tf.data.poses", "Poses"),
        "load": ("ampose_tf.data.sources", "load"),
    },
}


def packages():
    return [pytest.param(p, id=p.__name__) for p in PLACES]


@pytest.mark.parametrize("package", packages())
def test_each_name_is_the_object_of_its_module(package):
    for name, (module, attribute) in PLACES[package].items():
        expected = getattr(importlib.import_module(module), attribute)
        assert getattr(package, name) is expected, name


@pytest.mark.parametrize("package", packages())
def test_names_are_listed(package):
    assert sorted(package.__all__) == sorted(PLACES[package])
    assert set(package.__all__) < set(dir(package))
    assert dir(package) == sorted(set(dir(package)))
    assert {"__doc__", "__name__"} < set(dir(package))
    namespace = {}
    exec(f"from {package.__name__} import *", namespace)
    assert set(namespace) - {"__builtins__"} == set(PLACES[package])


@pytest.mark.parametrize("package", packages())
def test_type_checkers_see_the_same_names(package):
    """They read the imports below TYPE_CHECKING, and no `__getattr__`."""
    source = pathlib.Path(package.__file__).read_text(encoding="utf-8")
    (checked,) = (n for n in ast.parse(source).body if isinstance(n, ast.If))
    assert ast.unparse(checked.test) == "TYPE_CHECKING"
    found = {
        alias.asname or alias.name: (line.module, alias.name)
        for line in checked.body
        for alias in line.names
    }
    assert found.pop("lifting", None) == (
        ("ampose_tf", "lifting") if package is ampose_tf else None
    )
    assert set(found) == set(PLACES[package])
    for name, (module, attribute) in found.items():
        expected = getattr(importlib.import_module(module), attribute)
        assert getattr(package, name) is expected, name


@pytest.mark.parametrize("package", packages())
def test_other_names_are_refused(package):
    assert not hasattr(package, "Liftr")
    with pytest.raises(ImportError, match="cannot import name 'Liftr'"):
        exec(f"from {package.__name__} import Liftr")


def in_a_process(code):
    ended = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def test_the_package_is_imported_at_once():
    code = (
        "import sys, time\n"
        "start = time.perf_counter()\n"
        "import ampose_tf\n"
        "taken = time.perf_counter() - start\n"
        "assert not {'numpy', 'keras', 'tensorflow'} & set(sys.modules)\n"
        "print(taken)"
    )
    # The best of several: other processes only take time.
    assert min(float(in_a_process(code)) for _ in range(5)) < 0.1


@pytest.mark.parametrize("name", ["Lifter", "OneEuro", "examine"])
def test_lifting_is_reached_from_the_package(name):
    code = f"import ampose_tf; print(ampose_tf.lifting.{name}.__name__)"
    assert in_a_process(code) == name


def test_skeletons_need_no_framework():
    code = (
        "import sys; from ampose_tf import H36M_17, Config, read_keypoints\n"
        "print({'keras', 'tensorflow', 'jax'} & set(sys.modules))"
    )
    assert in_a_process(code) == "set()"
