"""Selects frames of motion for training, and their sampling probabilities."""

import numpy as np

from ampose_tf.data.mocap import Motion3D


def thinned(motion: Motion3D, distance_m: float) -> Motion3D:
    """Drops frames that are nearly the same as the frame kept before them.

    The first frame of each trial is kept, and then each frame whose joints
    have moved relative to the hip by at least `distance_m` on average since
    the last kept frame.
    """
    relative = motion.joints - motion.joints[:, :1]
    kept = np.zeros(len(relative), bool)
    for trial in range(len(motion.trial_names)):
        last = None
        for frame in np.flatnonzero(motion.trials == trial):
            if last is not None:
                moved = relative[frame] - relative[last]
                if np.sqrt((moved**2).sum(axis=-1)).mean() < distance_m:
                    continue
            kept[frame] = True
            last = frame
    return motion._replace(
        joints=motion.joints[kept],
        subjects=motion.subjects[kept],
        trials=motion.trials[kept],
    )


def shares(motion: Motion3D, balance: float) -> np.ndarray:
    """Returns the sampling probability of each frame; the sum is 1.

    The probability of a subject is proportional to (number of its
    frames)^(1 - balance), and so is that of a movement within a subject. A
    movement consists of all trials with the same description.

    Args:
        motion: N frames.
        balance: From 0, equal probabilities for all frames, to 1, equal
            probabilities for all subjects, and for all movements of a subject.

    Returns:
        (N,) float64.
    """
    names = zip(motion.descriptions, motion.trial_names, strict=True)
    movements = np.array(
        [description or trial for description, trial in names]
    )
    described = movements[motion.trials]
    # For each frame: its subject, and its movement of this subject.
    _, subject = np.unique(motion.subjects, return_inverse=True)
    _, movement, of_movement = np.unique(
        np.stack([subject.astype(str), described]),
        axis=1,
        return_inverse=True,
        return_counts=True,
    )
    of_subject = np.bincount(subject)
    # The shares of a frame in its movement, and in its subject.
    in_movement = of_movement[movement] ** -float(balance)
    in_subject = in_movement / np.bincount(subject, in_movement)[subject]
    per_frame = of_subject[subject] ** (1.0 - balance) * in_subject
    return per_frame / per_frame.sum()
