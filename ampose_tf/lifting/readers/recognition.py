"""Which skeleton a file's joints are: by their names, number and places."""

import numpy as np

from ampose_tf.conversion import Conversion
from ampose_tf.lifting.keypoints import SKELETONS, diagonals
from ampose_tf.lifting.readers.records import Account
from ampose_tf.lifting.readers.vocabulary import joint
from ampose_tf.lifting.untrusted import MAX_PIXEL, brief

# Of detectors that count joints without naming them. Of whole-body models,
# the first joints are those of body and feet, and face and hands are left out:
# COCO-WholeBody (133), https://github.com/jin-s13/COCO-WholeBody, and
# Halpe-136, https://github.com/Fang-Haoshu/Halpe-FullBody.
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
# Skeletons that a user may name of the first joints of so many.
_BODIES = {133: ("COCO-17",), 136: ("Halpe-26",)}

COUNTS = frozenset(_BY_COUNT)
# Joints of all skeletons.
JOINTS = {
    joint(name) for skeleton in SKELETONS.values() for name in skeleton.joints
}

# Skeletons of as many joints as the usual one, and their necks.
_SAME_COUNT = {"COCO-18": "trt_pose-18", "BODY_25": "BODY_25B"}
_NECKS = {
    "COCO-18": "neck",
    "trt_pose-18": "neck",
    "BODY_25": "neck",
    "BODY_25B": "upper_neck",
}

# Parts of a person's diagonal: a face is smaller, COCO's elbows and hips are
# farther from where Human3.6M has spine, thorax and shoulders, and a neck is
# between the shoulders.
_FACE = 0.3
_OFF_AXIS = 0.15
_NECK_OFF = 0.04


def by_count(count: int, wanted: Conversion | None) -> Conversion:
    """Returns the skeleton of so many joints.

    Args:
        count: Of a person's joints.
        wanted: What the user says it is; None for what detectors have.

    Raises:
        ValueError: If there is none.
    """
    if wanted is None and count in _BY_COUNT:
        return SKELETONS[_BY_COUNT[count]]
    if wanted is None:
        known = ", ".join(map(str, _BY_COUNT))
        raise ValueError(
            f"its people have {count} joints; known are {known}, and others "
            "by a skeleton of one's own"
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
    """Returns the skeleton of joints with these names.

    Of several, the smallest that has all the names, so that joints may be
    left out; where there is none, the largest whose joints are all among
    them, as a body's are among those of face and hands.

    Args:
        names: Of the joints, in any order.
        wanted: What the user says it is; None for the known ones.

    Raises:
        ValueError: If there is none.
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
    """Returns the skeleton of unnamed joints by where they are.

    16 or 17 joints of arrays, which no detector has written, are Human3.6M's,
    unless they can only be COCO's: the first five are close together, as in a
    face, and the joints that should be spine and thorax are not where these
    are. 18 and 25 joints have the neck where two skeletons disagree on it.

    Args:
        points: (D, S, 2), of at least one person.
        counted: What their number says.
        form: See `tools.form_of`.
        account: Account of the file; told of an unusual skeleton.
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
            f"The {count} joints are read as {other}, whose neck is where "
            f"theirs is, not as {counted.name}; --skeleton names another."
        )
        return SKELETONS[other]
    return counted


def _neck_is_off(points, skeleton):
    """Returns how far the neck is from the shoulders' middle, in diagonals."""
    neck, left, right = (
        points[:, skeleton.joints.index(name)]
        for name in (_NECKS[skeleton.name], "left_shoulder", "right_shoulder")
    )
    placed = ~np.isnan(points).any(axis=2) & (points != 0).any(axis=2)
    with np.errstate(over="ignore"):  # What is too large is refused later.
        size = diagonals(np.nan_to_num(points), placed)
        off = np.linalg.norm(neck - (left + right) / 2, axis=1)
    told = (size > 0) & np.isfinite(off)
    for places in (neck, left, right):
        told &= (places != 0).any(axis=1)
    return np.median(off[told] / size[told]) if told.any() else 0.0


def _looks_like_coco(points):
    """Whether (D, 17, 2) points have COCO's order, not Human3.6M's."""
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
    # Most of a face will do, and the two measures need not be of one frame.
    told = (size > 0) & (placed[:, :5].sum(axis=1) >= 3)
    faces = face[told] / size[told]
    told = (size > 0) & ~np.isnan(off)
    offs = off[told] / size[told]
    if not len(faces) or not len(offs):
        return False
    return bool(np.median(faces) < _FACE and np.median(offs) > _OFF_AXIS)
