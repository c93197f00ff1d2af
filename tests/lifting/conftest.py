"""Models that several tests lift with."""

import functools
import sys

import keras
import pytest
from absl import flags

from ampose_tf import weights
from ampose_tf.config import commandline
from ampose_tf.lifting import Lifter, command, lifter
from ampose_tf.models.ampose import AMPose
from ampose_tf.skeleton import H36M_17


@pytest.fixture(scope="session", autouse=True)
def models_load_once():
    """Models take seconds to load, and nothing changes them."""
    with pytest.MonkeyPatch.context() as patch:
        cached = functools.cache(lifter.load_predictor)
        patch.setattr(lifter, "load_predictor", cached)
        yield


@pytest.fixture(scope="session")
def released():
    """The facade with the released model, every joint seen."""
    return Lifter(seen_score=0)


@pytest.fixture(scope="session")
def deaf_model(tmp_path_factory):
    """The path of a small model that is not told what was seen."""
    keras.utils.set_random_seed(5)
    path = tmp_path_factory.mktemp("deaf") / "last.keras"
    AMPose(
        H36M_17.adjacency(), depth=1, width=8, heads=2, normalisation="width"
    ).save(path)
    return path


@pytest.fixture(scope="session")
def seeing_model(tmp_path_factory):
    """The path of one that is."""
    keras.utils.set_random_seed(5)
    model = AMPose(
        H36M_17.adjacency(),
        depth=1,
        width=8,
        heads=2,
        seen_input=True,
        frame="person",
    )
    for weight in model.weights:
        weight.assign(weight + 0.1)
    path = tmp_path_factory.mktemp("seeing") / "last.keras"
    model.save(path)
    return path


@pytest.fixture(scope="session", name="lifter")
def deaf_lifter(deaf_model):
    return Lifter(deaf_model)


@pytest.fixture(scope="session")
def seeing_lifter(seeing_model):
    return Lifter(seeing_model)


@pytest.fixture(scope="session")
def able_lifter():
    """With a model whose people have depth, and so a place in the room."""
    return Lifter(weights.AMPOSE_T)


@pytest.fixture
def run_lift(monkeypatch, capsys):
    """Runs lift.py with flags; returns its status, and what it prints."""

    def run(*arguments):
        options = flags.FlagValues()
        command.define_flags(options)
        monkeypatch.setattr(sys, "argv", ["lift.py", *arguments])
        commandline.parse(options)
        status = command.main(options)
        return status, *capsys.readouterr()

    return run
