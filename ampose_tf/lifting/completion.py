"""Fills in unseen joints in 2D, for models that need all of them.

The steps run in this order; each fills in joints that are still missing:

1. Time: a gap of at most `MAX_GAP` frames is interpolated linearly between the
   joint's positions before and after it.
2. Trunk: hips, shoulders, spine, neck and head are derived from each other,
   in the proportions of a standing person.
3. Limbs: an elbow or knee is placed half-way between its neighbours, a wrist
   or foot continues the bone before it. If both are missing, they take the
   directions of the other side, mirrored about the trunk's axis, the line from
   hip to thorax; if those are missing too, they hang down along the axis.
4. Time: any gap, and the frames beyond the ends, are filled relative to the
   hip.
5. Other joints are placed at a neighbouring joint.

These positions are guesses: over whole clips of walking people the error is a
tenth of the person's size for a wrist or foot, and a twentieth for an elbow
or knee. A model with the input `seen` needs no completion.
"""

import numpy as np

from ampose_tf.skeleton import H36M_17

MAX_GAP = 25

_INDEX = {joint: index for index, joint in enumerate(H36M_17.joints)}


def _rule(made, **parts):
    """Returns a joint, and the joints and weights that it is computed from."""
    names = {"Neck": "Neck/Nose"}
    weights = {names.get(joint, joint): part for joint, part in parts.items()}
    return (
        _INDEX[names.get(made, made)],
        [_INDEX[joint] for joint in weights],
        np.array(list(weights.values())),
    )


# Heights on the trunk's axis: hip 0, spine 0.45, thorax 1, neck 1.22, head
# 1.48, as `conversion` places them on an adult of 0.5 m from hip to thorax.
_TRUNK = (
    _rule("Hip", RHip=0.5, LHip=0.5),
    _rule("Thorax", RShoulder=0.5, LShoulder=0.5),
    _rule("RHip", Hip=2, LHip=-1),
    _rule("LHip", Hip=2, RHip=-1),
    _rule("RShoulder", Thorax=2, LShoulder=-1),
    _rule("LShoulder", Thorax=2, RShoulder=-1),
    _rule("Thorax", RShoulder=1, Hip=1.5, RHip=-1.5),
    _rule("Thorax", LShoulder=1, Hip=1.5, LHip=-1.5),
    _rule("Hip", RHip=1, Thorax=0.67, RShoulder=-0.67),
    _rule("Hip", LHip=1, Thorax=0.67, LShoulder=-0.67),
    _rule("Spine", Hip=0.55, Thorax=0.45),
    _rule("Thorax", Spine=1 / 0.45, Hip=1 - 1 / 0.45),
    _rule("Hip", Spine=1 / 0.55, Thorax=1 - 1 / 0.55),
    _rule("Neck", Thorax=0.54, Head=0.46),
    _rule("Head", Neck=1 / 0.46, Thorax=1 - 1 / 0.46),
    _rule("Neck", Thorax=1.22, Hip=-0.22),
    _rule("Head", Thorax=1.48, Hip=-0.48),
    _rule("Thorax", Neck=1 / 1.22, Hip=1 - 1 / 1.22),
)
_LIMBS_ALONG = tuple(
    _rule(side + made, **{side + joint: part for joint, part in parts.items()})
    for side in "RL"
    for made, parts in {
        "Knee": {"Hip": 0.5, "Foot": 0.5},
        "Elbow": {"Shoulder": 0.5, "Wrist": 0.5},
        "Foot": {"Knee": 2, "Hip": -1},
        "Wrist": {"Elbow": 2, "Shoulder": -1},
    }.items()
)
# In lengths of the trunk: thigh and shin 0.88, upper arm 0.56, forearm 0.5.
_HANGING = tuple(
    _rule(side + made, **{side + start: 1}, Hip=part, Thorax=-part)
    for side in "RL"
    for made, start, part in (
        ("Knee", "Hip", 0.88),
        ("Foot", "Knee", 0.88),
        ("Elbow", "Shoulder", 0.56),
        ("Wrist", "Elbow", 0.5),
    )
)
# From the trunk outwards.
_LIMBS = tuple(
    _INDEX[side + joint]
    for joint in ("Elbow", "Wrist", "Knee", "Foot")
    for side in "LR"
)


def complete(
    pixels: np.ndarray, seen: np.ndarray, frames: np.ndarray | None
) -> np.ndarray:
    """Returns one person's keypoints with the unseen joints filled in.

    Args:
        pixels: (F, 17, 2) in Human3.6M's order; the values of unseen joints
            are ignored.
        seen: (F, 17) bool, at least one joint in every frame.
        frames: (F,) increasing; None for poses that are independent of each
            other, without the steps in time.

    Returns:
        (F, 17, 2) float32; joints that were seen are unchanged.

    Raises:
        ValueError: If no joint is seen in a frame.
    """
    if not seen.any(axis=1).all():
        raise ValueError("Expected at least one joint seen in every frame")
    placed = np.where(seen[..., None], pixels, np.nan).astype(np.float64)
    if not seen.all():
        if frames is not None:
            _interpolate(placed, frames, MAX_GAP)
        _apply(placed, _TRUNK)
        _apply(placed, _LIMBS_ALONG)
        _mirror(placed)
        _apply(placed, _HANGING)
        if frames is not None:
            anchor = _anchor(placed)
            placed -= anchor
            _interpolate(placed, frames, np.inf)
            placed += anchor
        _follow(placed)
    return placed.astype(np.float32)


def _fill(placed, joint, made):
    missing = np.isnan(placed[:, joint, 0])
    placed[missing, joint] = made[missing]


def _apply(placed, rules):
    for joint, sources, weights in rules:
        missing = np.flatnonzero(np.isnan(placed[:, joint, 0]))
        placed[missing, joint] = weights @ placed[missing[:, None], sources]


def _interpolate(placed, frames, gap):
    for joint in range(placed.shape[1]):
        known = np.flatnonzero(~np.isnan(placed[:, joint, 0]))
        if not len(known) or len(known) == len(frames):
            continue
        made = np.stack(
            [
                np.interp(frames, frames[known], placed[known, joint, axis])
                for axis in range(2)
            ],
            axis=1,
        )
        if gap < np.inf:
            after = np.searchsorted(known, np.arange(len(frames)))
            inside = (after > 0) & (after < len(known))
            around = known[np.clip([after - 1, after], 0, len(known) - 1)]
            apart = frames[around[1]] - frames[around[0]] - 1
            made[~inside | (apart > gap)] = np.nan
        _fill(placed, joint, made)


def _mirror(placed):
    """Copies the directions of limbs from the other side, mirrored."""
    axis = placed[:, _INDEX["Thorax"]] - placed[:, _INDEX["Hip"]]
    length = np.linalg.norm(axis, axis=1, keepdims=True)
    axis = np.divide(
        axis, length, out=np.full_like(axis, np.nan), where=length > 0
    )
    for joint in _LIMBS:
        start = H36M_17.parents[joint]
        other = H36M_17.mirrored[joint]
        bone = placed[:, other] - placed[:, H36M_17.parents[other]]
        along = np.sum(bone * axis, axis=1, keepdims=True) * axis
        _fill(placed, joint, placed[:, start] + 2 * along - bone)


def _anchor(placed):
    """Returns the hip, or the mean of the known joints, (F, 1, 2)."""
    hip = placed[:, :1]
    middle = np.nanmean(placed, axis=1, keepdims=True)
    return np.where(np.isnan(hip), middle, hip)


def _follow(placed):
    for _ in H36M_17.edges:  # The next known joint may be far away.
        if not np.isnan(placed).any():
            break
        for parent, child in H36M_17.edges:
            _fill(placed, child, placed[:, parent])
            _fill(placed, parent, placed[:, child])
