"""Where a recording jumps: markers swapped or lost, frames missing."""

import numpy as np

from ampose_tf.skeleton import H36M_17

# Metres per second that no joint exceeds: about twice what CMU's recordings
# reach at most, between frames 1/30 s apart, where nothing jumps (5.7 of the
# trunk, 7.7 of elbows and knees, 12.9 of wrists and ankles: backflips, kicks
# and boxing).
_TRUNK_SPEED = 12.0
_MIDDLE_SPEED = 15.0
_END_SPEED = 25.0
_SPEEDS = np.array(
    [
        _END_SPEED
        if joint.endswith(("Foot", "Wrist"))
        else _MIDDLE_SPEED
        if joint.endswith(("Knee", "Elbow"))
        else _TRUNK_SPEED
        for joint in H36M_17.joints
    ]
)
# Filters smear a jump: this much is cut on both of its sides.
_MARGIN_S = 1 / 30
# What remains between two jumps is a glitch itself if it is shorter.
SHORTEST_S = 0.5


def whole_parts(joints: np.ndarray, fps: float) -> list[tuple[int, int]]:
    """Returns the parts of a recording in which nothing jumps.

    A joint jumps where it is faster between two frames than people are:
    12 m/s for the trunk and head, 15 for elbows and knees, 25 for wrists and
    ankles. 1/30 s is cut on both sides of a jump, and parts shorter than
    half a second are dropped.

    Args:
        joints: (T, 17, 3) metres.
        fps: Frames per second.

    Returns:
        First frame of each part, and the one after its last.
    """
    speeds = np.linalg.norm(np.diff(joints, axis=0), axis=-1) * fps
    whole = np.ones(len(joints), bool)
    margin = max(1, round(_MARGIN_S * fps))
    for before in np.flatnonzero((speeds > _SPEEDS).any(axis=1)):
        whole[max(0, before + 1 - margin) : before + 1 + margin] = False
    # Where it changes, with a glitch before the first frame and after the
    # last.
    edges = np.flatnonzero(np.diff(np.pad(whole, 1).astype(np.int8)))
    return [
        (int(start), int(stop))
        for start, stop in edges.reshape(-1, 2)
        if stop - start >= SHORTEST_S * fps
    ]
