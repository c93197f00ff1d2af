"""Detects the skeleton of a file from joint names, number and positions."""

import numpy as np

from ampose_tf.conversion import Conversion
from ampose_tf.lifting.keypoints import SKELETONS, diagonals
from ampose_tf.lifting.readers.records import Account
from ampose_tf.lifting.readers.vocabulary import joint
from ampose_tf.lifting.untrusted import MAX_PIXEL, brief

# Skeletons of detectors that write joints without names. Whole-body models
# write body and feet first; face and hands are left out: COCO-WholeBody (133),
# https://github.com/jin-s13/COCO-WholeBody, and Halpe-136,
# https://github.com/Fang-Haoshu/Halpe-FullBody.
_BY_COUNT = {
    16: "MPII-16",
    17: "COCO-17",
    18: "COCO-18",
    25: "BODY_25",
    26: "Halpe-26",
    33: "MediaPipe-33",
    133: "COCO-WholeBody-133",
    136: "Halpe-136",
}
# Skeletons that a user may name for the first joints of a larger number.
_BODIES = {133: ("COCO-17",), 136: ("Halpe-26",)}

COUNTS = frozenset(_BY_COUNT)
# The joints of all skeletons.
JOINTS = {
    joint(name) for skeleton in SKELETONS.values() for name in skeleton.joints
}

# Skeletons with the same number of joints as the usual one, and their necks.
_SAME_COUNT = {"COCO-18": "trt_pose-18", "BODY_25": "BODY_25B"}
_NECKS = {
    "COCO-18": "neck",
    "trt_pose-18": "neck",
    "BODY_25": "neck",
    "BODY_25B": "upper_neck",
}

# In diagonals of a person: a face is smaller than `_FACE`; COCO's elbows and
# hips are more than `_OFF_AXIS` from where Human3.6M has spine, thorax and
# shoulders; a neck is within `_NECK_OFF` of the shoulders' centre.
_FACE = 0.3
_OFF_AXIS = 0.15
_NECK_OFF = 0.04


def by_count(count: int, wanted: Conversion | None) -> Conversion:
    """Returns the skeleton with a number of joints.

    Args:
        count: Number of a person's joints.
        wanted: Skeleton that the user has named; None for that of the usual
            detectors.

    Raises:
        ValueError: If no skeleton has this number of joints.
    """
    if wanted is None and count in _BY_COUNT:
        return SKELETONS[_BY_COUNT[count]]
    if wanted is None:
        known = ", ".join(map(str, _BY_COUNT))
        raise ValueError(
            f"its people have {count} joints; expected {known}, or name your "
            "own skeleton"
        )
    if count != len(wanted.joints) and wanted.name not in (
        _BY_COUNT.get(count),
        *_BODIES.get(count, ()),
    ):
        raise ValueError(
            f"its people have {count} joints; {wanted.name} has "
            f"{len(wanted.joints)}"
        )
    return wanted


def by_names(names: tuple[str, ...], wanted: Conversion | None) -> Conversion:
    """Returns the skeleton whose joints have these names.

    This is the smallest skeleton that contains all names, so that the file
    may omit joints. Otherwise it is the largest skeleton whose joints are all
    among the names, so that the file may add joints of face and hands.

    Args:
        names: Names of the joints, in any order.
        wanted: Skeleton that the user has named; None for any known one.

    Raises:
        ValueError: If no skeleton matches.
    """
    given = set(map(joint, names))
    around, inside = [], []
    for skeleton in [wanted] if wanted else SKELETONS.values():
        own = set(map(joint, skeleton.joints))
        if given <= own:
            around.append(skeleton)
        elif given >= own:
            inside.append(skeleton)
    if around:
        return min(around, key=lambda skeleton: len(skeleton.joints))
    if inside:
        return max(inside, key=lambda skeleton: len(skeleton.joints))
    some = ", ".join(brief(name) for name in names[:5])
    raise ValueError(
        f"its joints ({some}{', …' if len(names) > 5 else ''}) are not those "
        f"of {wanted.name if wanted else 'any known skeleton'}"
    )


def by_places(
    points: np.ndarray,
    counted: Conversion,
    form: str | None,
    account: Account,
) -> Conversion:
    """Returns the skeleton of unnamed joints from their positions.

    Arrays with 16 or 17 joints are Human3.6M's, unless they can only be
    COCO's: the first five joints are close together, as in a face, and those
    that would be spine and thorax are in other places. The position of the
    neck distinguishes the two skeletons of 18 joints, and those of 25.

    Args:
        points: (D, S, 2), at least one person.
        counted: The usual skeleton with this number of joints.
        form: See `tools.form_of`.
        account: Account of the file; an unusual skeleton is noted.
    """
    count = len(counted.joints)
    if form == "array" and count in (16, 17) and points.shape[1] == count:
        if count == 17 and _looks_like_coco(points):
            return SKELETONS["COCO-17"]
        return SKELETONS[f"H36M-{count}"]
    other = _SAME_COUNT.get(counted.name)
    off = _neck_is_off(points, counted) if other else 0
    if off > _NECK_OFF and off > 2 * _neck_is_off(points, SKELETONS[other]):
        account.note(
            f"The {count} joints are read as {other} rather than "
            f"{counted.name}, because of the neck's position; --skeleton "
            "sets another."
        )
        return SKELETONS[other]
    return counted


def _neck_is_off(points, skeleton):
    """Returns the neck's distance from the shoulders' centre, in diagonals."""
    neck, left, right = (
        points[:, skeleton.joints.index(name)]
        for name in (_NECKS[skeleton.name], "left_shoulder", "right_shoulder")
    )
    placed = ~np.isnan(points).any(axis=2) & (points != 0).any(axis=2)
    with np.errstate(over="ignore"):  # Too large values are rejected later.
        size = diagonals(np.nan_to_num(points), placed)
        off = np.linalg.norm(neck - (left + right) / 2, axis=1)
    told = (size > 0) & np.isfinite(off)
    for places in (neck, left, right):
        told &= (places != 0).any(axis=1)
    return np.median(off[told] / size[told]) if told.any() else 0.0


def _looks_like_coco(points):
    """Whether (D, 17, 2) points are in COCO's order, not Human3.6M's."""
    placed = (np.abs(points) <= MAX_PIXEL).all(axis=2)
    for nowhere in (0, -1):
        placed &= (points != nowhere).any(axis=2)
    points = np.where(placed[..., None], points, np.nan)
    size = diagonals(points, placed)
    face = diagonals(points[:, :5], placed[:, :5])
    hip, spine, thorax = points[:, 0], points[:, 7], points[:, 8]
    shoulders = (points[:, 11] + points[:, 14]) / 2
    off = np.linalg.norm(thorax - shoulders, axis=1)
    off += np.linalg.norm(spine - (hip + thorax) / 2, axis=1)
    # Three joints of a face are enough, and the two measures may be from
    # different frames.
    told = (size > 0) & (placed[:, :5].sum(axis=1) >= 3)
    faces = face[told] / size[told]
    told = (size > 0) & ~np.isnan(off)
    offs = off[told] / size[told]
    if not len(faces) or not len(offs):
        return False
    return bool(np.median(faces) < _FACE and np.median(offs) > _OFF_AXIS)
