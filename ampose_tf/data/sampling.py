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
    a subject a trial likewise.

    Args:
        motion: N frames.
        balance: 0: every frame equally often, to 1: every subject, and every
            trial of a subject.

    Returns:
        (N,) float64.
    """
    _, subject = np.unique(motion.subjects, return_inverse=True)
    of_subject = np.bincount(subject)
    of_trial = np.bincount(motion.trials, minlength=len(motion.trial_names))
    subject_share = of_subject ** (1.0 - balance)
    # Trials of one subject share what the subject has.
    trial_share = np.maximum(of_trial, 1) ** (1.0 - balance)
    owner = np.full(len(of_trial), -1)
    owner[motion.trials] = subject
    occurring = of_trial > 0
    total = np.bincount(owner[occurring], weights=trial_share[occurring])
    per_frame = (
        subject_share[subject]
        * trial_share[motion.trials]
        / total[subject]
        / of_trial[motion.trials]
    )
    return per_frame / per_frame.sum()
