"""Measures of lifted poses other than distances: angles, sizes and sides.

All are per pose, in NumPy; NaN marks poses that a measure does not apply to.
Joints have Human3.6M's names; sets without some of them (`detections`) are
supported. The trunk extends from the hip to the thorax, or to the middle of
the shoulders if there is no thorax.
"""

import numpy as np

# Columns of tables: keys of `summarise`, and their format.
HEADS = {
    "lean °": ("trunk_lean_deg", "+.1f"),
    "bent °": ("trunk_bent_deg", "+.1f"),
    "knees °": ("knee_flexion_deg", "+.1f"),
    "elbows °": ("elbow_flexion_deg", "+.1f"),
    "size": ("size_ratio", ".3f"),
    "exchanged": ("sides_exchanged", ".1%"),
    "depth order": ("depth_order", ".1%"),
}
_STRAIGHT_DEG = 15.0
_SIDES = "LR"
_LIMBS = (
    ("Hip", "Knee"),
    ("Knee", "Foot"),
    ("Shoulder", "Elbow"),
    ("Elbow", "Wrist"),
)
_FLEXED = {
    "knee": ("Hip", "Knee", "Foot"),
    "elbow": ("Shoulder", "Elbow", "Wrist"),
}
_ENDS = ("Hip", "Knee", "Foot", "Shoulder", "Elbow", "Wrist")
# Smallest difference in depth between a bone's ends that defines an order.
_DEPTH_M = 0.05
_FACINGS = {"front": (0, 60), "side": (60, 120), "behind": (120, 181)}
_PITCHES = (-90, 0, 10, 20, 30, 40, 50, 60, 90)


def pitch(up: np.ndarray) -> np.ndarray:
    """Returns how far cameras look down, (N,) degrees.

    Args:
        up: (N, 3), unit vectors pointing upwards in the camera frames.
    """
    return np.degrees(np.arcsin(np.clip(-up[:, 2], -1, 1)))


def facing(poses: np.ndarray, joints: tuple[str, ...], up: np.ndarray):
    """Returns the direction people face, by shoulders and hips, (N,) degrees.

    Args:
        poses: (N, J, 3), camera frame.
        joints: Names of the J joints.
        up: See `pitch`.

    Returns:
        Angle about the vertical, relative to the camera's axis: 0 faces the
        camera, 180 is seen from behind.
    """
    away = _level(np.broadcast_to([0.0, 0.0, 1.0], up.shape), up)
    towards = -np.sum(_level(_front(poses, joints), up) * away, axis=-1)
    return np.degrees(np.arccos(np.clip(towards, -1, 1)))


def from_behind(poses, joints, up) -> np.ndarray:
    """Returns which people are seen from behind, (N,) bool.

    Their backs are within 60 degrees of the camera.
    """
    return facing(poses, joints, up) >= _FACINGS["behind"][0]


def lean(vectors: np.ndarray, up: np.ndarray, direction: np.ndarray):
    """Returns how far vectors lean from the vertical towards a direction.

    Args:
        vectors: (N, 3).
        up: See `pitch`.
        direction: (N, 3); its component along `up` is ignored.

    Returns:
        (N,) degrees; NaN if less than half of the vector is in the plane of
        both, for example if a person lies across it.
    """
    along = np.sum(vectors * _level(direction, up), axis=-1)
    upright = np.sum(vectors * up, axis=-1)
    within = np.hypot(along, upright)
    half = np.linalg.norm(vectors, axis=-1) / 2
    return np.where(
        within > half, np.degrees(np.arctan2(along, upright)), np.nan
    )


def flexion(poses: np.ndarray, joints: tuple[str, ...], kind: str):
    """Returns the flexion of both knees or elbows, (N, 2) degrees.

    Args:
        poses: (N, J, 3).
        joints: Names of the J joints.
        kind: `"knee"` or `"elbow"`; 0 is straight.
    """
    angles = []
    for side in _SIDES:
        start, middle, end = (
            _at(poses, joints, side + name) for name in _FLEXED[kind]
        )
        cosine = np.sum(_unit(middle - start) * _unit(end - middle), axis=-1)
        angles.append(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
    return np.stack(angles, axis=-1)


def straight_flexion(predicted, target, joints, kind) -> np.ndarray:
    """Returns predicted minus true flexion of straight joints, (N, 2).

    NaN for joints whose true flexion is 15 degrees or more.
    """
    true = flexion(target, joints, kind)
    over = flexion(predicted, joints, kind) - true
    return np.where(true < _STRAIGHT_DEG, over, np.nan)


def size_ratio(predicted, target, bones) -> np.ndarray:
    """Returns predicted divided by true sum of bone lengths, (N,).

    Args:
        predicted: (N, J, 3).
        target: (N, J, 3), NaN for unknown joints, whose bones are ignored.
        bones: (start, end) indices.
    """
    known = [
        np.isfinite(_bone(predicted, bone) + _bone(target, bone)).all(axis=-1)
        for bone in bones
    ]
    lifted, true = (
        sum(
            np.where(there, np.linalg.norm(_bone(poses, bone), axis=-1), 0)
            for bone, there in zip(bones, known, strict=True)
        )
        for poses in (predicted, target)
    )
    return lifted / np.where(true > 0, true, np.nan)


def sides_exchanged(predicted, target, joints) -> np.ndarray:
    """Returns whether limbs are nearer to the true ones of the other side.

    (N,), 1 or 0, over pairs of joints that are both known; NaN if there is
    none. Both poses are relative to the hip.
    """
    own = [joints.index(side + name) for side in _SIDES for name in _ENDS]
    other = own[len(_ENDS) :] + own[: len(_ENDS)]
    right, wrong = (
        np.linalg.norm(predicted[:, own] - target[:, rows], axis=-1)
        for rows in (own, other)
    )
    known = np.isfinite(right + wrong)
    right, wrong = (
        np.where(known, distances, 0).mean(axis=1)
        for distances in (right, wrong)
    )
    return np.where(known.any(axis=1), wrong < right, np.nan)


def depth_order(predicted, target, joints) -> np.ndarray:
    """Returns whether the nearer end of each limb bone is correct.

    (N, 8), 1 or 0; NaN for bones whose ends differ by 5 cm or less in true
    depth.
    """
    bones = limb_bones(joints)
    true, lifted = (
        np.stack([p[:, end, 2] - p[:, start, 2] for start, end in bones], -1)
        for p in (target, predicted)
    )
    right = np.sign(true) == np.sign(lifted)
    known = (np.abs(true) > _DEPTH_M) & np.isfinite(lifted)
    return np.where(known, right, np.nan)


def limb_bones(joints: tuple[str, ...]) -> list[tuple[int, int]]:
    """Returns (start, end) of thighs, shanks, upper arms and forearms."""
    return [
        (joints.index(side + start), joints.index(side + end))
        for side in _SIDES
        for start, end in _LIMBS
    ]


def measure(
    predicted: np.ndarray,
    target: np.ndarray,
    joints: tuple[str, ...],
    up: np.ndarray | None,
    bones: list[tuple[int, int]] | None = None,
) -> dict[str, np.ndarray]:
    """Returns all measures of each pose, and the angles to group them by.

    Args:
        target: (N, J, 3) metres, in the same frame; NaN for unknown joints.
        target: (N, J, 3) metres, likewise; NaN for unknown joints.
        joints: Names of the J joints.
        up: See `pitch`; None if unknown, which omits the trunk's measures.
        bones: Bones for `size_ratio`; None for those of the limbs.

    Returns:
        {name: (N,) or (N, K)}; `pitch_deg` and `facing_deg` are the true
        angles.
    """
    predicted = np.asarray(predicted, np.float64)
    target = np.asarray(target, np.float64)
    measured = {
        f"{kind}_flexion_deg": straight_flexion(
            predicted, target, joints, kind
        )
        for kind in _FLEXED
    } | {
        "size_ratio": size_ratio(
            predicted, target, bones or limb_bones(joints)
        ),
        "sides_exchanged": sides_exchanged(predicted, target, joints),
        "depth_order": depth_order(predicted, target, joints),
    }
    if up is None:
        return measured
    up = np.asarray(up, np.float64)
    trunks = _trunk(predicted, joints), _trunk(target, joints)
    for name, direction in (
        ("trunk_lean_deg", np.broadcast_to([0.0, 0.0, 1.0], up.shape)),
        ("trunk_bent_deg", _front(target, joints)),
    ):
        lifted, true = (lean(trunk, up, direction) for trunk in trunks)
        measured[name] = (lifted - true + 180) % 360 - 180
    measured["pitch_deg"] = pitch(up)
    measured["facing_deg"] = facing(target, joints, up)
    return measured


def summarise(measured: dict[str, np.ndarray]) -> dict:
    """Returns the means of measures.

    Returns:
        {name: mean, None if there is nothing to average}, and
        `trunk_lean_by_pitch`, `trunk_lean_by_facing` and
        `trunk_bent_by_facing`, {group: {"deg": mean, "poses": count}} for
        the groups that occur.
    """
    groups = ("pitch_deg", "facing_deg")
    summary = {
        name: mean(values)
        for name, values in measured.items()
        if name not in groups
    }
    if "trunk_lean_deg" not in measured:
        return summary
    pitches = {
        f"{low} to {high}": (low, high)
        for low, high in zip(_PITCHES[:-1], _PITCHES[1:], strict=True)
    }
    for name, by, bounds in (
        ("trunk_lean", "pitch", pitches),
        ("trunk_lean", "facing", _FACINGS),
        ("trunk_bent", "facing", _FACINGS),
    ):
        values, where = measured[f"{name}_deg"], measured[f"{by}_deg"]
        summary[f"{name}_by_{by}"] = {
            group: {"deg": mean(values[within]), "poses": int(within.sum())}
            for group, (low, high) in bounds.items()
            if (within := (where >= low) & (where < high)).any()
        }
    return summary


def as_table(summaries: dict[str, dict]) -> list[str]:
    """Returns a table of summaries by name, line by line."""
    width = 2 + max(16, *map(len, summaries))
    lines = [" " * width + "".join(f"{head:>12}" for head in HEADS)]
    for name, summary in summaries.items():
        cells = as_cells(summary)
        lines.append(
            f"{name:{width}}" + "".join(f"{cell:>12}" for cell in cells)
        )
    return lines


def as_cells(summary: dict) -> list[str]:
    """Returns the numbers of a summary in the order of `HEADS`."""
    return [number(summary.get(key), form) for key, form in HEADS.values()]


def number(value: float | None, form: str = ".1f") -> str:
    """Returns a number as formatted in tables."""
    return "-" if value is None else f"{value:{form}}"


def mean(values: np.ndarray) -> float | None:
    """Returns the mean of finite values; None if there are none."""
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else None


def _trunk(poses, joints):
    if "Thorax" in joints:
        return _at(poses, joints, "Thorax") - _at(poses, joints, "Hip")
    return _middle(poses, joints, "Shoulder") - _middle(poses, joints, "Hip")


def _front(poses, joints):
    """Returns the directions that people face, (N, 3), not unit vectors."""
    left = sum(
        _at(poses, joints, "L" + name) - _at(poses, joints, "R" + name)
        for name in ("Shoulder", "Hip")
    )
    # The camera frame is right-handed: left x up is ahead.
    return np.cross(left, _trunk(poses, joints))


def _at(poses, joints, name):
    return poses[:, joints.index(name)]


def _middle(poses, joints, name):
    left, right = (_at(poses, joints, side + name) for side in _SIDES)
    return (left + right) / 2


def _bone(poses, bone):
    start, end = bone
    return poses[:, end] - poses[:, start]


def _level(vectors, up):
    """Returns unit vectors of the horizontal components."""
    return _unit(vectors - np.sum(vectors * up, axis=-1, keepdims=True) * up)


def _unit(vectors):
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length > 0, length, np.nan)
