"""Models that several tests lift with."""

import keras
import pytest

from ampose_tf.export import saved_model, tflite
from ampose_tf.lifting import Lifter
from ampose_tf.models.ampose import AMPose
from ampose_tf.skeleton import H36M_17


@pytest.fixture(scope="session")
def released():
    """The facade with the released model, every joint seen."""
    return Lifter(seen_score=0)


@pytest.fixture(scope="session")
def artefacts(tmp_path_factory):
    """One small model in the three kinds of file."""
    folder = tmp_path_factory.mktemp("artefacts")
    keras.utils.set_random_seed(5)
    model = AMPose(
        H36M_17.adjacency(), depth=1, width=8, heads=2, normalisation="width"
    )
    model.save(folder / "last.keras")
    for version in ("2", "10"):
        saved_model.write(model, folder / "saved_model" / version, "x: test")
    tflite.write(model, folder / "ampose.tflite", "float32", "x: test")
    return model, folder


@pytest.fixture(scope="session")
def seeing_artefacts(tmp_path_factory):
    """One that is told which joints were seen."""
    folder = tmp_path_factory.mktemp("seeing")
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
    model.save(folder / "last.keras")
    saved_model.write(model, folder / "saved_model/1", "x: test")
    for format in tflite.FORMATS:
        path = folder / f"{format}.tflite"
        tflite.write(model, path, format, "x: test")
    return model, folder
