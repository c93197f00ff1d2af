"""Files that were lifted before give the same poses."""

import os
import pathlib

import numpy as np
import pytest

from ampose_tf import weights
from ampose_tf.lifting import Lifter
from tests.lifting import released_poses

TOLERANCE_M = 1e-5


def check(lifted):
    recorded = released_poses.recorded()
    assert lifted.keys() <= recorded.keys()
    for name, poses_3d in lifted.items():
        error = np.linalg.norm(poses_3d - recorded[name], axis=-1).max()
        assert error < TOLERANCE_M, name


@pytest.mark.parametrize(
    "model", ["ampose_s", weights.AMPOSE_S], ids=["released", "keras"]
)
def test_the_poses_are_those_recorded(model):
    check(released_poses.lift_walking(Lifter(model)))


@pytest.mark.skipif(
    "AMPOSE_SAMPLES" not in os.environ, reason="AMPOSE_SAMPLES is not set"
)
def test_so_are_those_of_other_tools_files():
    folder = pathlib.Path(os.environ["AMPOSE_SAMPLES"])
    lifted = released_poses.lift_samples(Lifter(), folder)
    assert len(lifted) >= len(released_poses.SAMPLES)
    check(lifted)
