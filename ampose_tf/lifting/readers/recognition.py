"""Which skeleton a file's joints are: by their names, number and places."""

import re

import numpy as np

from ampose_tf.conversion import Conversion
from ampose_tf.lifting.keypoints import SKELETONS, diagonals
from ampose_tf.lifting.untrusted import MAX_PIXEL, brief

# Of detectors that count joints without naming them. Of whole-body models,
# the first joints are the body's and the others are left out:
# COCO-WholeBody (133), https://github.com/jin-s13/COCO-WholeBody, and
# Halpe-136, https://github.com/Fang-Haoshu/Halpe-FullBody.
_BY_COUNT = {
    16: "MPII-16",
    17: "COCO-17",
    18: "COCO-18",
    25: "BODY_25",
    26: "Halpe-26",
    33: "MediaPipe-33",
    133: "COCO-17",
    136: "Halpe-26",
}

# Parts of a person's diagonal: a face is smaller, COCO's elbows and hips are
# farther from where Human3.6M has spine, thorax and shoulders.
_FACE = 0.3
_OFF_AXIS = 0.15


def canonical(name: str) -> str:
    """Returns a joint's name so that those of several tools compare.

    MediaPipe's LEFT_WRIST, PoseNet's leftWrist and "left wrist" are one.
    """
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[\s-]+", "_", words).lower()


def by_count(count: int, wanted: Conversion | None) -> Conversion:
    """Returns the skeleton of so many joints.

    Args:
        count: Of a person's joints.
        wanted: What the user says it is; None for what detectors have.

    Raises:
        ValueError: Where there is none.
    """
    if wanted is None and count in _BY_COUNT:
        return SKELETONS[_BY_COUNT[count]]
    if wanted is None:
        known = ", ".join(map(str, _BY_COUNT))
        raise ValueError(
            f"its people have {count} joints; known are {known}, and others "
            "by a skeleton of one's own"
        )
    if count != len(wanted.joints) and _BY_COUNT.get(count) != wanted.name:
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
        ValueError: Where there is none.
    """
    given = {canonical(name) for name in names}
    around, inside = [], []
    for skeleton in [wanted] if wanted else SKELETONS.values():
        own = {canonical(joint) for joint in skeleton.joints}
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


def of_arrays(points: np.ndarray) -> Conversion:
    """Returns the skeleton of arrays that no detector has written.

    16 joints are Human3.6M's. 17 are Human3.6M's too, unless they can only be
    COCO's: the first five are close together, as in a face, and the joints
    that should be spine and thorax are not where these are.

    Args:
        points: (D, S, 2), of at least one person.

    Raises:
        ValueError: Where no skeleton has so many joints.
    """
    count = points.shape[1]
    if count not in (16, 17):
        return by_count(count, None)
    if count == 17 and _looks_like_coco(points):
        return SKELETONS["COCO-17"]
    return SKELETONS[f"H36M-{count}"]


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
