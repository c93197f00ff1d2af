"""Which frames of motion archives training sees, and how often."""

import numpy as np

from ampose_tf.data.mocap import Motion3D


def thinned(motion: Motion3D, distance_m: float) -> Motion3D:
    """Drops frames that are nearly the same as the one before them.

    Of each trial the first frame is kept, and then each whose joints have
    moved, relative to the hip, by at least `distance_m` on average since the
    last one kept.
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
    """Returns how often each frame is to be seen; the sum is 1.

    A subject is seen in proportion to (its frames)^(1 - balance), and within
    a subject a movement likewise. A movement is what has one description:
    trials that repeat it share what it has.

    Args:
        motion: N frames.
        balance: 0: every frame equally often, to 1: every subject, and every
            movement of a subject.

    Returns:
        (N,) float64.
    """
    names = zip(motion.descriptions, motion.trial_names, strict=True)
    movements = np.array(
        [description or trial for description, trial in names]
    )
    described = movements[motion.trials]
    # Per frame: its subject, and its movement by this subject.
    _, subject = np.unique(motion.subjects, return_inverse=True)
    _, movement, of_movement = np.unique(
        np.stack([subject.astype(str), described]),
        axis=1,
        return_inverse=True,
        return_counts=True,
    )
    of_subject = np.bincount(subject)
    # What a frame has of its movement, a movement of its subject.
    in_movement = of_movement[movement] ** -float(balance)
    in_subject = in_movement / np.bincount(subject, in_movement)[subject]
    per_frame = of_subject[subject] ** (1.0 - balance) * in_subject
    return per_frame / per_frame.sum()
