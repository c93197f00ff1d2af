"""A person for tests."""

import numpy as np

# A person who stands at the origin and faces along x, in metres, z up.
STANDING = np.array(
    [
        (0, 0, 0.9),  # Hip
        (0, -0.1, 0.9),  # RHip
        (0, -0.1, 0.5),  # RKnee
        (0, -0.1, 0.1),  # RFoot
        (0, 0.1, 0.9),  # LHip
        (0, 0.1, 0.5),  # LKnee
        (0, 0.1, 0.1),  # LFoot
        (0, 0, 1.15),  # Spine
        (0, 0, 1.4),  # Thorax
        (0.05, 0, 1.5),  # Neck/Nose
        (0, 0, 1.65),  # Head
        (0, 0.2, 1.4),  # LShoulder
        (0, 0.2, 1.1),  # LElbow
        (0, 0.2, 0.9),  # LWrist
        (0, -0.2, 1.4),  # RShoulder
        (0, -0.2, 1.1),  # RElbow
        (0, -0.2, 0.9),  # RWrist
    ]
)


def facing_the_camera():
    """The same as a camera sees them from the front, from the hip, (17, 3).

    Their left is on the image's right.
    """
    x, y, z = np.moveaxis(STANDING - STANDING[0], -1, 0)
    return np.stack([y, -z, -x], axis=-1)
