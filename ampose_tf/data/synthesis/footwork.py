"""Motion of people's feet and hips: walking, standing, sitting.

Feet stay where they were put down and do not slide; `anatomy.joints` computes
the legs.
"""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.interpolate import CubicSpline

from ampose_tf.data.synthesis import anatomy
from ampose_tf.data.synthesis.anatomy import SIDES, Body
from ampose_tf.data.synthesis.trajectories import ease, visit, wander

# Ellipses on the floor, in metres, in which people stand and walk. All four
# cameras see the whole person there, even with stretched arms.
_CENTRE = np.array([0.15, 0.5])
_PLACES = np.array([0.5, 0.8])
_PATH = np.array([1.0, 1.3])

# The foot in gait: share of the cycle since heel strike, and angle by which
# the heel is raised, in degrees; negative if the toes are raised. After the
# curves of [Winter, 1991, The Biomechanics and Motor Control of Human Gait].
_HEEL_RAISE = (
    (0.0, -16),
    (0.1, -2),
    (0.2, 0),
    (0.34, 2),
    (0.48, 18),
    (0.6, 50),
    (0.68, 48),
    (0.8, 12),
    (0.92, -14),
    (1.0, -16),
)
_HEEL_SPLINE = CubicSpline(*zip(*_HEEL_RAISE, strict=True), bc_type="periodic")

# The share of a foot's cycle in which it stands, its lift in the rest of the
# cycle in metres, and the largest random offset of a step in metres.
_WALKING = (0.6, 0.02, 0.02)
_STANDING = (0.85, 0.05, 0.06)
_SITTING = (0.85, 0.03, 0.08)

# The duration of a cycle of small steps on the spot, in seconds.
_SHUFFLE = (2.5, 5.0)


class Style(NamedTuple):
    """A person's style of movement.

    Attributes:
        pace: Factor of the gait's tempo.
        stride: Length of two steps in metres, at a stature of 1.75 m.
        arm_swing: Amplitude of the upper arm's swing in gait, in radians.
        liveliness: Factor of the random part of all angles.
        stoop: Constant forward bend of the trunk, in radians.
        stance: Half the distance between standing feet, in metres.
        right_handed: Probability that the right hand leads.
    """

    pace: float
    stride: float
    arm_swing: float
    liveliness: float
    stoop: float
    stance: float
    right_handed: float


def draw_style(rng: np.random.Generator) -> Style:
    """Draws a person's style of movement."""
    return Style(
        pace=rng.uniform(0.92, 1.08),
        stride=rng.uniform(0.98, 1.16),
        arm_swing=np.radians(rng.uniform(14, 24)),
        liveliness=rng.uniform(0.85, 1.15),
        stoop=np.radians(rng.uniform(0, 5)),
        stance=rng.uniform(0.09, 0.13),
        right_handed=rng.uniform(0.6, 0.9),
    )


class Legs(NamedTuple):
    """Motion of legs in T frames; see `Posture` for the shared attributes.

    Attributes:
        root: (T, 3).
        heading: (T,).
        ankles: (T, 2, 3).
        feet: (T, 2, 2).
        splay: (T, 2).
        swing: (T,), position in the gait cycle, from -1 with the right foot in
            front to 1 with the left foot in front; 0 without gait.
        pelvis: (T, 3), pitch, roll and yaw due to the legs.
        lean: (T,), forward bend of the trunk for balance, in radians.
        fold: (T,), bend of the elbows that keeps hanging hands off the seat
            or the floor, in radians.
    """

    root: np.ndarray
    heading: np.ndarray
    ankles: np.ndarray
    feet: np.ndarray
    splay: np.ndarray
    swing: np.ndarray
    pelvis: np.ndarray
    lean: np.ndarray
    fold: np.ndarray


def walk(
    body: Body, style: Style, rng: np.random.Generator, time: np.ndarray
) -> Legs:
    """Returns legs that walk along a closed curve in the capture area."""
    stride = style.stride * body.scale * rng.uniform(0.9, 1.05)
    # Longer legs swing more slowly.
    period = 1.16 * np.sqrt(body.scale) / style.pace * rng.uniform(0.95, 1.1)
    hurry = wander(rng, (), (0.1, 0.3))
    phase = rng.uniform(0, 20) + time / period + 0.05 * hurry(time)
    curve = _curve(rng)

    def path(cycle):
        return curve(stride * cycle)

    ankles, feet = _steps(
        rng.spawn(1)[0], body, path, phase, 0.8 * style.stance, *_WALKING
    )
    gain = rng.uniform(0.9, 1.05)
    for index in range(2):
        share = (phase + 0.5 * index) % 1
        heel_raise = gain * np.radians(_HEEL_SPLINE(share))
        shift = anatomy.ankle_shift(body, heel_raise)
        forward = shift[:, :1] * direction(feet[:, index, 0])
        ankles[:, index] += np.concatenate([forward, shift[:, 1:]], axis=1)
        feet[:, index, 1] = heel_raise

    place, heading = path(phase)
    cycle = 2 * np.pi * phase
    # Over the standing leg, the weight shifts to its side and the pelvis drops
    # on the other side; the pelvis turns with the leg in front.
    sideways = 0.02 * np.cos(cycle - 2 * np.pi * 0.3)
    place += sideways[:, None] * direction(heading + np.pi / 2)
    height = _standing_height(body) - 0.025 * body.scale
    zero = np.zeros_like(time)
    return Legs(
        root=np.column_stack([place, np.full_like(time, height)]),
        heading=heading,
        ankles=ankles,
        feet=feet,
        splay=np.full((len(time), 2), rng.uniform(0.05, 0.2)),
        swing=np.cos(cycle),
        pelvis=np.column_stack(
            [
                zero,
                np.radians(3) * np.cos(cycle - 2 * np.pi * 0.3),
                np.radians(-5) * np.cos(cycle),
            ]
        ),
        lean=zero,
        fold=zero,
    )


def stand(
    body: Body,
    style: Style,
    rng: np.random.Generator,
    time: np.ndarray,
    sway: float,
    crouch: float,
) -> Legs:
    """Returns legs that stand, shift weight, turn in small steps and crouch.

    Args:
        body: Lengths of the person.
        style: Style of the person.
        rng: Generator of random numbers.
        time: (T,) seconds.
        sway: Amplitude of sideways weight shifts, in metres.
        crouch: Probability that a key pose is a crouch.
    """
    width = style.stance * rng.uniform(0.8, 1.5)
    path, phase = _spot(rng, time, 0.0, 0.08, np.radians(45))
    for_steps, for_crouch = rng.spawn(2)
    ankles, feet = _steps(for_steps, body, path, phase, width, *_STANDING)
    # Flattened at both ends: people stand on one leg, then on the other.
    shift = sway * np.tanh(1.5 * wander(rng, (), (0.08, 0.3))(time))
    depth = visit(
        for_crouch,
        time,
        lambda r: r.uniform([0.2], [0.42]) * (r.random() < crouch),
        (1.0, 2.5),
        (0.8, 1.2),
    )[:, 0]
    place, heading = path(phase)
    place = (
        place
        + shift[:, None] * direction(heading + np.pi / 2)
        + (0.03 - 0.35 * depth)[:, None] * direction(heading)
    )
    height = _standing_height(body) - body.scale * (
        depth - 0.012 + 0.008 * wander(rng, (), (0.1, 0.4))(time)
    )
    zero = np.zeros_like(time)
    return Legs(
        root=np.column_stack([place, height]),
        heading=heading,
        ankles=ankles,
        feet=feet,
        splay=np.full((len(time), 2), rng.uniform(0.1, 0.5)),
        swing=zero,
        # The side that bears the weight is higher.
        pelvis=np.column_stack([zero, 1.3 * shift, zero]),
        lean=1.3 * depth,
        fold=zero,
    )


def sit(
    body: Body,
    rng: np.random.Generator,
    time: np.ndarray,
    floor: float,
    rises: bool,
) -> Legs:
    """Returns legs of a person who sits on a chair or the floor.

    Args:
        body: Lengths of the person.
        rng: Generator of random numbers.
        time: (T,) seconds.
        floor: Probability that the seat is the floor.
        rises: Whether the person repeatedly stands up and sits down.
    """
    on_floor = rng.random() < floor
    if on_floor:
        # Knees drawn up, legs crossed, or legs stretched out.
        height, forward, width, splay, toes_up = (
            (0.11, rng.uniform(0.35, 0.6), 0.12, rng.uniform(0.1, 0.5), 0),
            (0.11, rng.uniform(0.34, 0.42), 0.05, rng.uniform(0.9, 1.3), 0),
            (0.11, rng.uniform(0.65, 0.78), 0.13, rng.uniform(0.1, 0.5), 1),
        )[rng.integers(3)]
    else:
        # The centre of the hip is about 0.08 m above the seat.
        height = rng.uniform(0.38, 0.48) + 0.08
        forward = rng.uniform(0.25, 0.52)
        width = rng.uniform(0.07, 0.2)
        splay = rng.uniform(0.1, 0.6)
        toes_up = 0
    forward *= body.scale
    path, phase = _spot(rng, time, forward / 2, 0.02, np.radians(15))
    for_steps, for_seat = rng.spawn(2)
    ankles, feet = _steps(for_steps, body, path, phase, width, *_SITTING)
    start = for_seat.integers(2)
    keys = itertools.cycle((start, 1 - start) if rises else (0,))
    standing = visit(
        for_seat,
        time,
        lambda _: np.array([next(keys)], float),
        (0.3, 2.0),
        (1.3, 2.0),
    )[:, 0]
    seated = 1 - standing
    feet[..., 1] = -toes_up * np.radians(50) * seated[:, None]
    place, heading = path(phase)
    shuffle = 0.015 * wander(rng, (2,), (0.05, 0.3))(time)
    # The hip moves back before it moves down, to keep the balance.
    back = forward * (1 - standing**2)
    place = (
        place - back[:, None] * direction(heading) + seated[:, None] * shuffle
    )
    level = _standing_height(body) - 0.01
    zero = np.zeros_like(time)
    return Legs(
        root=np.column_stack([place, level + seated * (height - level)]),
        heading=heading,
        ankles=ankles,
        feet=feet,
        splay=np.outer(seated, [splay, splay * rng.uniform(0.6, 1)]) + 0.1,
        swing=zero,
        pelvis=np.column_stack(
            [seated * np.radians(rng.uniform(-22, -8)), zero, zero]
        ),
        lean=4 * standing * seated * np.radians(rng.uniform(40, 55)),
        fold=seated * np.radians(65 if on_floor else 35),
    )


def direction(angle: np.ndarray) -> np.ndarray:
    """Returns unit vectors (..., 2) on the floor."""
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def _standing_height(body):
    return body.ankle_height + body.thigh + body.shank


def _spot(rng, time, ahead, drift, turn):
    """Returns a path near one spot, and the phase of steps along it.

    Args:
        rng: Generator of random numbers.
        time: (T,) seconds.
        ahead: Distance of the feet in front of the spot, in metres.
        drift: Standard deviation of the position, in metres.
        turn: Standard deviation of the heading, in radians.
    """
    angle, radius = rng.uniform(0, 2 * np.pi), np.sqrt(rng.uniform(0, 1))
    spot = _CENTRE + radius * _PLACES * direction(angle)
    facing = rng.uniform(0, 2 * np.pi)
    spot = spot + ahead * direction(facing)
    period = rng.uniform(*_SHUFFLE)
    # Per cycle, not per second: people who step more often move more.
    move = wander(rng, (3,), (0.1, 0.35))

    def path(cycle):
        offset = move(cycle)
        return spot + drift * offset[:, :2], facing + turn * offset[:, 2]

    return path, rng.uniform(0, 20) + time / period


def _curve(rng):
    """Returns a function from length walked to position and heading."""
    angle = np.linspace(0, 2 * np.pi, 721)
    dent, twist = rng.uniform(0, 0.05), rng.uniform(0, 2 * np.pi)
    radius = rng.uniform(0.85, 1) * (1 - dent * np.cos(2 * angle + twist))
    points = _CENTRE + radius[:, None] / (1 + dent) * _PATH * direction(angle)
    if rng.random() < 0.5:
        points = points[::-1]
    length = np.linalg.norm(np.diff(points, axis=0), axis=1)
    walked = np.concatenate([[0], np.cumsum(length)])
    points[-1] = points[0]
    spline = CubicSpline(walked, points, bc_type="periodic")
    start = rng.uniform(0, walked[-1])

    def curve(distance):
        along = (distance + start) % walked[-1]
        velocity = spline(along, 1)
        return spline(along), np.arctan2(velocity[:, 1], velocity[:, 0])

    return curve


def _steps(
    rng: np.random.Generator,
    body: Body,
    path: Callable,
    phase: np.ndarray,
    width: float,
    stance: float,
    lift: float,
    scatter: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns flat feet that step along a path.

    Args:
        rng: Generator of the steps' random offsets.
        body: Lengths of the person.
        path: Function from phases to positions (P, 2) and headings (P,).
        phase: (T,), phase of the left foot; the right one is half a cycle off.
        width: Distance of the feet from the path, in metres.
        stance: Share of the cycle in which a foot stands.
        lift: Height of the foot between steps, in metres.
        scatter: Largest random offset of a step, in metres.

    Returns:
        Ankles (T, 2, 3) and feet (T, 2, 2), as in `Posture`.
    """
    toe_out = np.radians(rng.uniform(2, 14))
    ankles = np.empty((len(phase), 2, 3))
    feet = np.zeros((len(phase), 2, 2))
    for index, own_rng in enumerate(rng.spawn(2)):
        own = phase + 0.5 * index
        count = np.floor(own).astype(int)
        first = count[0]
        numbers = np.arange(first, count[-1] + 2)
        places, headings = path(numbers - 0.5 * index + stance / 2)
        headings = np.unwrap(headings)
        error = own_rng.uniform(-1, 1, (len(numbers), 3))
        side = SIDES[index]
        prints = (
            places
            + side * width * direction(headings + np.pi / 2)
            + scatter * error[:, :2]
        )
        yaw = headings + side * toe_out + np.radians(5) * error[:, 2]

        progress = (own - count - stance) / (1 - stance)
        moved = ease(progress)
        here = count - first
        ankles[:, index, :2] = prints[here] + moved[:, None] * (
            prints[here + 1] - prints[here]
        )
        ankles[:, index, 2] = body.ankle_height + lift * 4 * moved * (
            1 - moved
        )
        feet[:, index, 0] = yaw[here] + moved * (yaw[here + 1] - yaw[here])
    return ankles, feet
