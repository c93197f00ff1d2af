r"""Fits the weights by which the doctor detects too large an image size.

    python -m benchmarks.extents --mocap=DIR

Compares where in the image the training subjects' clips are with where they
would be in an image that is claimed to be larger, by a logistic regression
with Newton's method. Prints the weights of
`ampose_tf/lifting/doctor/framing.py`.
"""

import numpy as np
from absl import flags

from ampose_tf import config
from ampose_tf.conversion import SEEN_SCORE
from ampose_tf.data import mocap
from ampose_tf.lifting.doctor import framing
from ampose_tf.lifting.doctor.findings import people_of
from ampose_tf.lifting.keypoints import to_h36m
from benchmarks import doctor

# Factors by which the image is claimed to be larger.
_LARGER = (1.5, 2.5)
_PENALTY = 1e-2


def extents(clips):
    """Returns (N, 4), the `framing.extents` of clips."""
    found = []
    for sample in clips:
        people = people_of(sample.clip, to_h36m(sample.clip), SEEN_SCORE)
        found.append(framing.extents(people, sample.clip.image_size))
    return np.array(found)


def fit(right):
    """Returns the weights of `framing.extent_features`."""
    wrong = [right / factor for factor in _LARGER]
    features = framing.extent_features(np.concatenate([right, *wrong]))
    is_wrong = np.repeat([0.0, 1.0], [len(right), len(_LARGER) * len(right)])
    weights = np.zeros(features.shape[1])
    for _ in range(40):
        odds = np.clip(features @ weights, -40, 40)
        chance = 1 / (1 + np.exp(-odds))
        slope = features.T @ (is_wrong - chance) - _PENALTY * weights
        curve = (features.T * (chance * (1 - chance))) @ features
        curve += _PENALTY * np.eye(len(weights))
        weights += np.linalg.solve(curve, slope)
    return weights


def define_flags(flag_values):
    flags.DEFINE_string(
        "mocap",
        None,
        "Folder of the motion archives.",
        required=True,
        flag_values=flag_values,
    )


def main(options):
    motion = mocap.load(options.mocap, ("cmu17",), "train")
    right = np.concatenate(
        [extents(doctor.samples(motion, 1, noise)) for noise in (0.0, 0.01)]
    )
    weights = fit(right).round(1)
    print(*weights, sep=", ")
    odds = framing.extent_features(right) @ weights
    for share in (0.005, 0.007, 0.008, 0.01):
        least = np.quantile(odds, 1 - share)
        told = [
            np.mean(framing.extent_features(right / factor) @ weights > least)
            for factor in (1.25, *_LARGER)
        ]
        print(f"{share:.1%} flagged above {least:.2f}; told", *told)


if __name__ == "__main__":
    config.run(main, define_flags)
