"""A parametric human body: bone lengths, joint limits, kinematics.

Frames of the body's parts: x forward, y to the person's left, z up. Sides are
in the order left, right, with signs +1 and -1 along y. Angles are radians;
bending forward, flexion, raising the arm sideways and turning the upper arm
inward are positive.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

SIDES = (1, -1)


@dataclasses.dataclass(frozen=True)
class Body:
    """Lengths in metres; the defaults are those of a person of 1.75 m.

    They follow Human3.6M's marker model and [Winter, 2009, Table 4.1], which
    gives lengths of segments as fractions of stature.
    """

    stature: float = 1.75
    hip_half_width: float = 0.130
    thigh: float = 0.440
    shank: float = 0.440
    lower_spine: float = 0.235
    upper_spine: float = 0.250
    neck: float = 0.120
    head: float = 0.115
    clavicle: float = 0.150
    upper_arm: float = 0.280
    forearm: float = 0.250
    hand: float = 0.095
    ankle_height: float = 0.085
    ankle_to_ball: float = 0.135
    ankle_to_heel: float = 0.045
    toes: float = 0.070

    @property
    def scale(self) -> float:
        """Size relative to a person of 1.75 m."""
        return self.stature / Body.stature


# Bones that vary together from person to person.
_GROUPS = (
    ("hip_half_width",),
    ("thigh", "shank"),
    ("lower_spine", "upper_spine"),
    ("neck", "head"),
    ("clavicle",),
    ("upper_arm", "forearm", "hand"),
    ("ankle_height", "ankle_to_ball", "ankle_to_heel", "toes"),
)
_GROUP_SPREAD = 0.03
_BONE_SPREAD = 0.01


def draw_body(rng: np.random.Generator, stature: float) -> Body:
    """Draws a person's proportions, equal for both sides.

    Groups of bones differ by up to 3 % from lengths in proportion to stature,
    and single bones by up to 1 % more.
    """
    lengths = {"stature": stature}
    size = stature / Body.stature
    for group in _GROUPS:
        build = 1 + _GROUP_SPREAD * rng.uniform(-1, 1)
        for bone in group:
            own = 1 + _BONE_SPREAD * rng.uniform(-1, 1)
            lengths[bone] = getattr(Body, bone) * size * build * own
    return Body(**lengths)


class Limits(NamedTuple):
    """Lowest and highest angle of each axis, in degrees."""

    low: tuple[float, ...]
    high: tuple[float, ...]


# Axes are pitch, roll, yaw; for the arm flexion, abduction, inward twist,
# elbow flexion. The limits are slightly narrower than the ranges of motion of
# the American Academy of Orthopaedic Surgeons, which include stretching.
PELVIS_LIMITS = Limits((-25, -15, -30), (60, 15, 30))
SPINE_LIMITS = Limits((-15, -15, -20), (35, 15, 20))
NECK_LIMITS = Limits((-35, -25, -65), (45, 25, 65))
ARM_LIMITS = Limits((-50, -40, -60, 4), (175, 95, 95, 150))

# Limbs are never fully straight: the largest share of their length.
_LEG_REACH = 0.997
_ARM_REACH = 0.995

# The height over which the limit of the pelvis changes from one leg to the
# other.
_HEIGHT_BLEND = 0.010

# Collar bones rise with the arm; radians from hanging to horizontal.
_SHRUG = 0.2
_SHOULDER_DROP = 0.2

_NECK_DIRECTION = np.array([0.5, 0.0, 0.866])
_HEAD_DIRECTION = np.array([-0.3, 0.0, 0.954])
# The tip of the thumb relative to the wrist, in hand lengths; y is outward.
_THUMB = np.array([0.55, -0.25, -0.45])

_BALL_HEIGHT = 0.018


class Posture(NamedTuple):
    """Postures of a body in T frames, in a world with z up.

    Attributes:
        root: (T, 3), position of the hip. Its height is the intended one; the
            hip is lowered until both legs reach the ankles.
        heading: (T,), direction in which the body faces.
        pelvis: (T, 3), pitch, roll, yaw relative to the heading.
        spine: (T, 2, 3), angles of the lower and upper spine, each relative to
            the part below.
        neck: (T, 3), angles of the head relative to the chest.
        arms: (T, 2, 4), flexion, abduction, inward twist of the shoulder,
            flexion of the elbow.
        ankles: (T, 2, 3), target positions of the ankles.
        feet: (T, 2, 2), direction of each foot, and angle by which its heel is
            raised; negative if the toes are raised.
        splay: (T, 2), tangent of the angle by which knees point outward.
    """

    root: np.ndarray
    heading: np.ndarray
    pelvis: np.ndarray
    spine: np.ndarray
    neck: np.ndarray
    arms: np.ndarray
    ankles: np.ndarray
    feet: np.ndarray
    splay: np.ndarray


def limit(angles: np.ndarray, limits: Limits) -> np.ndarray:
    """Limits angles (..., axes) smoothly."""
    low, high = np.radians(limits.low), np.radians(limits.high)
    # Clipping would cause abrupt changes of speed.
    softness = np.radians(3)
    angles = low + softness * np.logaddexp(0, (angles - low) / softness)
    angles = high - softness * np.logaddexp(0, (high - angles) / softness)
    return np.maximum(angles, low)


def joints(body: Body, posture: Posture) -> np.ndarray:
    """Returns Human3.6M's 32 joints, (T, 32, 3) metres, world.

    Limits are applied here, so that all postures respect them.
    """
    pelvis = _rotation(2, posture.heading) @ _rotations(
        limit(posture.pelvis, PELVIS_LIMITS)
    )
    spine = _rotations(limit(posture.spine, SPINE_LIMITS))
    loins = pelvis @ spine[:, 0]
    chest = loins @ spine[:, 1]
    head = chest @ _rotations(limit(posture.neck, NECK_LIMITS))

    hips = [
        pelvis @ np.array([0, side * body.hip_half_width, 0]) for side in SIDES
    ]
    root = posture.root.copy()
    root[:, 2] = _reachable_height(body, posture, hips)

    result = np.empty((len(root), 32, 3))
    result[:, [0, 11]] = root[:, None]
    result[:, 12] = root + loins @ np.array([0, 0, body.lower_spine])
    thorax = result[:, 12] + chest @ np.array([0, 0, body.upper_spine])
    result[:, [13, 16, 24]] = thorax[:, None]
    result[:, 14] = thorax + head @ (body.neck * _unit(_NECK_DIRECTION))
    result[:, 15] = result[:, 14] + head @ (body.head * _unit(_HEAD_DIRECTION))
    for index, side in enumerate(SIDES):
        leg, arm = ((6, 17), (1, 25))[index]
        result[:, leg : leg + 5] = _leg(
            body, posture, index, root + hips[index]
        )
        result[:, arm : arm + 7] = _arm(
            body,
            limit(posture.arms[:, index], ARM_LIMITS),
            side,
            thorax,
            chest,
        )
    return result


def ankle_shift(body: Body, heel_raise: np.ndarray) -> np.ndarray:
    """Returns the shift of the ankle if heel or toes are raised.

    The foot rolls over its ball if the heel is raised, and over the heel if
    the toes are raised.

    Args:
        heel_raise: (...) radians, negative if the toes are raised.

    Returns:
        (..., 2) metres, forward and up.
    """
    pivot = np.where(heel_raise > 0, -body.ankle_to_ball, body.ankle_to_heel)
    up = body.ankle_height - np.where(heel_raise > 0, _BALL_HEIGHT, 0)
    sine, cosine = np.sin(heel_raise), np.cos(heel_raise)
    return np.stack(
        [
            pivot * cosine + up * sine - pivot,
            up * cosine - pivot * sine - up,
        ],
        axis=-1,
    )


def reach(
    body: Body, side: int, target: np.ndarray, elbow: np.ndarray
) -> np.ndarray:
    """Returns the arm's four angles that place the wrist at a target.

    Args:
        body: Lengths of the body.
        side: +1 left, -1 right.
        target: (3,) metres from the thorax, in the chest's frame.
        elbow: (3,), direction towards which the elbow bends outward.
    """
    shoulder = _shoulder(body, side, 0.0)
    middle, end = _two_bones(
        shoulder, target, elbow, body.upper_arm, body.forearm, _ARM_REACH
    )
    upper = _unit(middle - shoulder)
    lower = _unit(end - middle)
    abduction = np.arcsin(side * upper[1])
    flexion = np.arctan2(upper[0], -upper[2])
    # Behind the head, flexion exceeds 180 degrees.
    if flexion < -np.pi / 2:
        flexion += 2 * np.pi
    frame = _rotation(1, -flexion) @ _rotation(0, side * abduction)
    across = frame.T @ lower
    return np.array(
        [
            flexion,
            abduction,
            np.arctan2(-side * across[1], across[0]),
            np.arccos(np.clip(upper @ lower, -1, 1)),
        ]
    )


def _reachable_height(body, posture, hips):
    """Returns the hip's height, lowered until both legs reach the ankles.

    In gait, this makes the hip rise over the standing leg.
    """
    longest = _LEG_REACH * (body.thigh + body.shank)
    heights = [posture.root[:, 2]]
    for index, hip in enumerate(hips):
        ankle = posture.ankles[:, index]
        aside = ankle[:, :2] - posture.root[:, :2] - hip[:, :2]
        rise = longest**2 - np.sum(aside**2, axis=1)
        heights.append(ankle[:, 2] - hip[:, 2] + np.sqrt(np.maximum(rise, 0)))
    return -_HEIGHT_BLEND * np.logaddexp.reduce(
        -np.array(heights) / _HEIGHT_BLEND, axis=0
    )


def _leg(body, posture, index, hip):
    """Returns hip, knee, ankle, ball and tip of a foot, (T, 5, 3)."""
    direction, heel_raise = np.moveaxis(posture.feet[:, index], -1, 0)
    foot = _rotation(2, direction)
    apart = (direction - posture.heading + np.pi) % (2 * np.pi) - np.pi
    facing = _rotation(2, posture.heading + apart / 2)
    # Knees point in the direction of feet and body, and upward if the leg is
    # horizontal.
    pole = np.stack(
        [
            np.ones_like(direction),
            SIDES[index] * posture.splay[:, index],
            np.full_like(direction, 0.5),
        ],
        axis=-1,
    )
    knee, ankle = _two_bones(
        hip,
        posture.ankles[:, index],
        _apply(facing, pole),
        body.thigh,
        body.shank,
        _LEG_REACH,
    )
    sole = foot @ _rotation(1, heel_raise)
    ball = ankle + sole @ np.array(
        [body.ankle_to_ball, 0, _BALL_HEIGHT - body.ankle_height]
    )
    # Toes stay on the floor while the heel rises.
    tip = ball + foot @ _rotation(1, np.minimum(heel_raise, 0)) @ np.array(
        [body.toes, 0, 0]
    )
    return np.stack([hip, knee, ankle, ball, tip], axis=1)


def _arm(body, angles, side, thorax, chest):
    """Returns an arm's seven of the 32 joints, (T, 7, 3)."""
    flexion, abduction, twist, elbow = np.moveaxis(angles, -1, 0)
    raised = 1 - np.cos(flexion) * np.cos(abduction)
    shoulder = thorax + _apply(chest, _shoulder(body, side, raised))
    upper = (
        chest
        @ _rotation(1, -flexion)
        @ _rotation(0, side * abduction)
        @ _rotation(2, -side * twist)
    )
    lower = upper @ _rotation(1, -elbow)
    middle = shoulder + upper @ np.array([0, 0, -body.upper_arm])
    wrist = middle + lower @ np.array([0, 0, -body.forearm])
    thumb = wrist + lower @ (body.hand * _THUMB * [1, side, 1])
    end = wrist + lower @ np.array([0, 0, -body.hand])
    return np.stack([shoulder, middle, wrist, wrist, thumb, end, end], axis=1)


def _shoulder(body, side, raised):
    angle = _SHRUG * raised - _SHOULDER_DROP
    return body.clavicle * np.stack(
        [np.zeros_like(angle), side * np.cos(angle), np.sin(angle)], axis=-1
    )


def _two_bones(start, target, pole, upper, lower, longest):
    """Returns the middle joint and the end of two bones towards a target.

    Args:
        start: (..., 3), start of the first bone.
        target: (..., 3); if it is out of reach, the end stops short of it.
        pole: (..., 3), direction in which the middle joint bends outward.
        upper: Length of the first bone.
        lower: Length of the second bone.
        longest: Largest share of the straight limb's length.
    """
    way = target - start
    distance = np.linalg.norm(way, axis=-1, keepdims=True)
    way = way / distance
    distance = np.minimum(distance, longest * (upper + lower))
    along = (distance**2 + upper**2 - lower**2) / (2 * distance)
    across = np.sqrt(np.maximum(upper**2 - along**2, 0))
    aside = _unit(pole - np.sum(pole * way, axis=-1, keepdims=True) * way)
    return start + along * way + across * aside, start + distance * way


def _rotation(axis, angle):
    """Returns matrices (..., 3, 3) of rotations about x, y or z."""
    angle = np.asarray(angle)
    matrix = np.zeros((*angle.shape, 3, 3))
    one, two = (axis + 1) % 3, (axis + 2) % 3
    matrix[..., axis, axis] = 1
    matrix[..., one, one] = matrix[..., two, two] = np.cos(angle)
    matrix[..., two, one] = np.sin(angle)
    matrix[..., one, two] = -matrix[..., two, one]
    return matrix


def _rotations(angles):
    """Returns rotation matrices for angles (..., 3): pitch, roll, yaw."""
    pitch, roll, yaw = np.moveaxis(angles, -1, 0)
    return _rotation(2, yaw) @ _rotation(1, pitch) @ _rotation(0, roll)


def _apply(rotations, vectors):
    return (rotations @ vectors[..., None])[..., 0]


def _unit(vector):
    return vector / np.linalg.norm(vector, axis=-1, keepdims=True)
