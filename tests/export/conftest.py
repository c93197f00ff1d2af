"""A small model and its SavedModel, which several test files share."""

import pytest

from ampose_tf.export import saved_model, tf_serving
from tests.exports import model_of


@pytest.fixture(scope="session")
def served_model():
    return model_of(seen_input=True)


@pytest.fixture(scope="session")
def served_version(served_model, tmp_path_factory):
    """The first version in a model base; tests do not change it."""
    path = tmp_path_factory.mktemp("served") / "saved_model/1"
    saved_model.write(served_model, path, "x: test")
    tf_serving.write_warm_up(path)
    return path
