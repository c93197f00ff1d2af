"""A user's program that uses every public name of the installed package.

Run in an empty folder beside a keypoint file, whose path it takes; mypy
--strict checks it, too.
"""

import pathlib
import sys

import numpy as np
from numpy.typing import NDArray

import ampose_tf
from ampose_tf import (
    H36M_16,
    H36M_17,
    AMPose,
    Config,
    Lifter,
    Motion,
    load_motion,
    load_predictor,
    read_keypoints,
)
from ampose_tf.data import Motion3D, Poses, load
from ampose_tf.evaluation import auc, mpjpe, n_mpjpe, p_mpjpe, pck
from ampose_tf.lifting import Butterworth, LiftedTrack, OneEuro, examine


def lift(path: pathlib.Path) -> Motion:
    """Lifts a clip, saves it and reads it again."""
    keypoints = read_keypoints(path)
    for finding in examine(keypoints):
        print(finding.kind, finding.sentence)
    lifter = Lifter("ampose_t", smooth=OneEuro(min_cutoff_hz=2.0))
    motion = lifter(keypoints, fps=30.0)
    saved, *_ = motion.save("motion.npz")
    return load_motion(saved)


def first_poses(motion: Motion) -> NDArray[np.float32]:
    """Returns the first person's poses, smoothed."""
    track: LiftedTrack = motion.tracks[0]
    filtered = Butterworth()(track.poses_3d, track.frames, motion.frame_rate)
    return filtered.astype(np.float32)


def errors(config: Config) -> dict[str, float]:
    """Judges a released model on the poses that a config names."""
    poses = load(config, "validation")
    if isinstance(poses, Motion3D):
        raise ValueError("Expected poses to judge on")
    assert isinstance(poses, Poses)
    predict = load_predictor("ampose_t")
    predicted, target = predict(poses.keypoints_2d), poses.poses_3d
    return {
        "mpjpe": float(mpjpe(predicted, target).mean()),
        "p_mpjpe": float(p_mpjpe(predicted, target).mean()),
        "n_mpjpe": float(n_mpjpe(predicted, target).mean()),
        "pck": float(pck(predicted, target).mean()),
        "auc": float(auc(predicted, target).mean()),
    }


def main() -> None:
    motion = lift(pathlib.Path(sys.argv[1]))
    assert first_poses(motion).shape[1:] == (17, 3)
    config = Config()
    config.data.dataset = "synthetic"
    config.data.generated.frames = 2
    found = errors(config)
    print(found)
    assert found["p_mpjpe"] < found["n_mpjpe"] <= found["mpjpe"] < 0.3
    network = AMPose(H36M_16.adjacency(), depth=1, width=8, heads=2)
    print(network.count_params(), len(H36M_17.joints))
    # The modules are reached from the package alone.
    assert ampose_tf.lifting.Lifter is Lifter


if __name__ == "__main__":
    main()
