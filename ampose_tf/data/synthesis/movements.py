"""Human3.6M's fifteen actions as trajectories of joint angles.

All trajectories are functions of time drawn from one generator: smooth
transitions between random key poses, random processes of limited bandwidth,
and the gait cycle.
"""

from typing import NamedTuple

import numpy as np

from ampose_tf.data.synthesis import anatomy, footwork
from ampose_tf.data.synthesis.anatomy import SIDES, Body, Posture
from ampose_tf.data.synthesis.footwork import Style
from ampose_tf.data.synthesis.trajectories import visit, wander


class _Movement(NamedTuple):
    """Parameters of an action.

    Attributes:
        lead: Key poses of the leading hand, chosen at random; a pose named
            twice is twice as likely.
        other: Key poses of the other hand; empty if it mirrors the leading
            one.
        hold: Range of the duration of a key pose, in seconds.
        travel: Range of the time between two key poses, in seconds.
        bend: Range of the trunk's forward bend, in degrees.
        turn: Largest turn of the trunk to either side, in degrees.
        nod: Range of the head's pitch, in degrees.
        look: Largest turn of the head to either side, in degrees.
        crouch: Probability that a key pose of the legs is a crouch.
        sway: Amplitude of sideways weight shifts, in metres.
        legs: `"stand"`, `"walk"`, `"sit"`, or `"sit down"` for alternately
            standing and sitting.
        seated: Probability that a standing action is performed seated.
        floor: Probability that the seat is the floor.
    """

    lead: tuple[str, ...]
    other: tuple[str, ...]
    hold: tuple[float, float] = (0.5, 2.0)
    travel: tuple[float, float] = (0.5, 0.9)
    bend: tuple[float, float] = (-5, 10)
    turn: float = 12
    nod: tuple[float, float] = (-8, 15)
    look: float = 30
    crouch: float = 0.0
    sway: float = 0.02
    legs: str = "stand"
    seated: float = 0.0
    floor: float = 0.0


_MOVEMENTS = {
    "Directions": _Movement(
        lead=("point", "point", "gesture", "hang"),
        other=("hang", "hang", "hip", "point"),
        turn=25,
        look=45,
    ),
    "Discussion": _Movement(
        lead=("gesture", "gesture", "gesture", "hang"),
        other=("gesture", "gesture", "hang", "hip"),
        hold=(0.1, 0.8),
        travel=(0.4, 0.8),
        turn=18,
    ),
    "Eating": _Movement(
        lead=("plate", "mouth"),
        other=("plate", "plate", "hang"),
        hold=(0.3, 1.2),
        travel=(0.6, 1.0),
        bend=(2, 22),
        nod=(0, 28),
        look=15,
        seated=0.5,
    ),
    "Greeting": _Movement(
        lead=("wave", "wave", "handshake", "hang"),
        other=("hang", "hang", "wave"),
        hold=(0.8, 2.0),
        bend=(-3, 25),
    ),
    "Phoning": _Movement(
        lead=("ear",),
        other=("hang", "pocket", "hip", "gesture"),
        hold=(1.0, 3.0),
        turn=15,
        look=40,
        sway=0.035,
        seated=0.4,
    ),
    "Photo": _Movement(
        lead=("camera", "camera", "camera", "display"),
        other=(),
        hold=(1.0, 2.5),
        travel=(0.7, 1.1),
        bend=(-2, 18),
        nod=(-5, 20),
        look=10,
        crouch=0.35,
    ),
    "Posing": _Movement(
        lead=("hip", "behind head", "crossed", "overhead", "chin", "point"),
        other=("hip", "behind head", "crossed", "overhead", "hang", "hang"),
        travel=(0.8, 1.3),
        bend=(-8, 20),
        turn=25,
        nod=(-20, 20),
        look=45,
        sway=0.04,
        crouch=0.1,
    ),
    "Purchases": _Movement(
        lead=("low", "low", "shelf", "carry"),
        other=("low", "carry", "hang", "hang"),
        hold=(0.2, 1.0),
        travel=(0.8, 1.3),
        bend=(0, 65),
        turn=20,
        nod=(0, 25),
        crouch=0.4,
    ),
    "Sitting": _Movement(
        lead=("lap", "lap", "chin", "crossed", "gesture", "prop"),
        other=("lap", "lap", "crossed", "prop"),
        hold=(1.0, 3.0),
        travel=(0.7, 1.2),
        bend=(-5, 30),
        turn=15,
        look=40,
        legs="sit",
        floor=0.4,
    ),
    "SittingDown": _Movement(
        lead=("lap", "lap", "hang"),
        other=("lap", "lap", "hang"),
        travel=(0.8, 1.4),
        bend=(-2, 25),
        legs="sit down",
        floor=0.6,
    ),
    "Smoking": _Movement(
        lead=("mouth", "ashes", "ashes"),
        other=("hang", "pocket", "crossed", "hip"),
        hold=(0.6, 2.0),
        travel=(0.6, 1.0),
        look=35,
        sway=0.035,
        seated=0.4,
    ),
    "Waiting": _Movement(
        lead=("hang", "crossed", "hip", "pocket", "chin"),
        other=("hang", "crossed", "hip", "pocket"),
        hold=(1.0, 3.0),
        travel=(0.7, 1.2),
        turn=20,
        look=55,
        sway=0.06,
    ),
    "WalkDog": _Movement(
        lead=("leash",), other=("hang",), turn=8, nod=(0, 22), legs="walk"
    ),
    "Walking": _Movement(lead=("hang",), other=("hang",), turn=5, legs="walk"),
    "WalkTogether": _Movement(
        lead=("companion", "companion", "gesture"),
        other=("hang",),
        hold=(1.0, 3.0),
        turn=8,
        look=50,
        legs="walk",
    ),
}

# Arm poses by angles: flexion, abduction, twist and elbow in degrees; their
# ranges; the amplitude of waving with the forearm in degrees; the looseness of
# the arm, which scales its swing in gait and its response to gravity.
_HANGING = {
    "hang": ((4, 9, 25, 20), (7, 4, 20, 9), 0, 1.0),
    "point": ((75, 15, 20, 14), (30, 35, 25, 10), 0, 0.0),
    "wave": ((35, 65, -45, 95), (30, 18, 15, 22), 22, 0.0),
    "handshake": ((32, 4, 25, 50), (8, 4, 10, 12), 8, 0.0),
    "overhead": ((155, 12, 10, 25), (15, 15, 25, 18), 0, 0.0),
    "ashes": ((12, 8, 45, 85), (10, 6, 15, 20), 0, 0.2),
    "leash": ((28, 6, 20, 50), (10, 5, 15, 18), 3, 0.2),
    "companion": ((2, 20, 15, 18), (6, 6, 15, 8), 0, 0.5),
    "carry": ((14, 10, 35, 75), (10, 6, 15, 20), 0, 0.4),
}

# Arm poses by positions of the wrist in metres from the thorax of a person of
# 1.75 m (forward, outward, up), their ranges, and directions of the elbow.
_REACHING = {
    "ear": ((0.15, 0.12, 0.03), (0.03, 0.03, 0.03), (0.1, 0.7, -1)),
    "mouth": ((0.17, 0.05, -0.01), (0.02, 0.03, 0.03), (-0.1, 0.6, -1)),
    "camera": ((0.27, 0.09, 0.12), (0.06, 0.03, 0.05), (0, 0.6, -1)),
    "display": ((0.32, 0.09, -0.18), (0.06, 0.03, 0.08), (-0.2, 0.6, -1)),
    "plate": ((0.32, 0.10, -0.32), (0.06, 0.06, 0.06), (-0.5, 0.6, -1)),
    "gesture": ((0.30, 0.22, -0.18), (0.11, 0.16, 0.16), (-0.4, 0.5, -1)),
    "hip": ((0.02, 0.20, -0.43), (0.03, 0.02, 0.03), (-0.5, 1, 0)),
    "pocket": ((0.06, 0.20, -0.49), (0.03, 0.02, 0.02), (-1, 0.5, 0)),
    "crossed": ((0.20, -0.08, -0.22), (0.02, 0.04, 0.03), (0, 0.5, -1)),
    "chin": ((0.15, 0.03, -0.06), (0.02, 0.03, 0.02), (0.2, 0.4, -1)),
    "behind head": ((-0.04, 0.09, 0.13), (0.02, 0.03, 0.03), (0.4, 1, 0.3)),
    "lap": ((0.26, 0.12, -0.38), (0.08, 0.07, 0.05), (-0.4, 0.7, -1)),
    "prop": ((-0.08, 0.30, -0.37), (0.06, 0.06, 0.03), (-1, 0.3, 0)),
    "low": ((0.36, 0.12, -0.34), (0.10, 0.12, 0.12), (-0.4, 0.6, -1)),
    "shelf": ((0.42, 0.14, 0.05), (0.10, 0.12, 0.20), (-0.2, 0.6, -1)),
}

_LOOSENESS_OF_REACHING = 0.1

# Shares of pelvis, lower and upper spine in the trunk's bend and turn.
_BEND_SHARES = (0.4, 0.25, 0.35)
_TURN_SHARES = (0.3, 0.3, 0.4)

# The standard deviations of the angles' random part in degrees: pelvis, the
# two parts of the spine and the neck (pitch, roll, yaw), then the arms; and
# its frequency band in hertz.
_RESTLESS_TRUNK = np.array(
    [(1.5, 1.5, 3.0), (2.0, 1.5, 2.5), (2.0, 1.5, 2.5), (4.0, 3.0, 6.0)]
)
_RESTLESS_ARM = np.array([4.0, 3.0, 6.0, 5.0])
_RESTLESS_BAND = (0.15, 0.9)

# The frequency of a waving hand, in hertz.
_WAVING_BAND = (1.0, 1.8)


def perform(
    action: str,
    body: Body,
    style: Style,
    rng: np.random.Generator,
    time: np.ndarray,
) -> Posture:
    """Returns a person's postures in one sequence.

    Args:
        action: One of Human3.6M's fifteen actions.
        body: Lengths of the person.
        style: Style of the person.
        rng: Generator for this sequence only.
        time: (T,) increasing seconds from 0, at which the movement is in a
            random phase. A shorter time yields the start of a longer sequence.
    """
    movement = _MOVEMENTS[action]
    # Each part has its own generator, so that its numbers do not depend on how
    # many key poses the other parts contain.
    for_legs, for_trunk, for_head, for_arms, for_rest = rng.spawn(5)
    kind = "sit" if rng.random() < movement.seated else movement.legs
    if kind == "walk":
        legs = footwork.walk(body, style, for_legs, time)
    elif kind == "stand":
        legs = footwork.stand(
            body, style, for_legs, time, movement.sway, movement.crouch
        )
    else:
        rises = kind == "sit down"
        legs = footwork.sit(body, for_legs, time, movement.floor, rises)

    bend, lean, turn = _trunk(movement, for_trunk, time).T
    bend = bend + style.stoop + legs.lean
    trunk = np.stack(
        [
            np.column_stack([share * bend, lean / 3, turning * turn])
            for share, turning in zip(_BEND_SHARES, _TURN_SHARES, strict=True)
        ],
        axis=1,
    )  # (T, 3, 3)
    trunk[:, 0] += legs.pelvis
    # The chest stays level over the pelvis, and turns opposite to it in gait.
    trunk[:, 2, 1] -= legs.pelvis[:, 1]
    trunk[:, 1:, 2] -= legs.pelvis[:, 2:]
    head = _head(movement, for_head, time)
    # People look ahead even if the chest is bent.
    head[:, 0] -= 0.45 * bend

    rest = wander(for_rest, (4, 3), _RESTLESS_BAND)(time)  # (T, 4, 3)
    rest *= style.liveliness * np.radians(_RESTLESS_TRUNK)
    root = legs.root
    if kind == "stand":
        # The hip moves back to keep the balance.
        back = 0.14 * body.scale * np.sin(bend)
        root[:, :2] -= back[:, None] * footwork.direction(legs.heading)
    return Posture(
        root=root,
        heading=legs.heading,
        pelvis=trunk[:, 0] + rest[:, 0],
        spine=trunk[:, 1:] + rest[:, 1:3],
        neck=head + rest[:, 3],
        arms=_arms(body, style, movement, legs, bend, for_arms, time),
        ankles=legs.ankles,
        feet=legs.feet,
        splay=legs.splay,
    )


def _trunk(movement, rng, time):
    def draw(r):
        bend = r.uniform(*movement.bend)
        turn = r.uniform(-movement.turn, movement.turn)
        return np.radians([bend, r.normal(0, 4), turn])

    # The trunk is heavier than the arms, and slower.
    low, high = movement.travel
    return visit(rng, time, draw, movement.hold, (low + 0.3, high + 0.5))


def _head(movement, rng, time):
    def draw(r):
        nod = r.uniform(*movement.nod)
        look = r.uniform(-movement.look, movement.look)
        return np.radians([nod, r.normal(0, 4), look])

    return visit(rng, time, draw, (0.4, 2.5), (0.4, 0.9))


def _arms(body, style, movement, legs, bend, rng, time):
    """Returns the angles of both arms, (T, 2, 4) radians."""
    for_keys, for_rest, for_waving = rng.spawn(3)
    keys_of = for_keys.spawn(2)
    if not movement.other:
        # Both hands hold the same object and use the same random numbers.
        twin = np.random.SeedSequence(for_keys.integers(2**32))
        keys_of = [np.random.default_rng(twin) for _ in SIDES]
    lead = 1 if rng.random() < style.right_handed else 0
    arms = np.empty((len(time), 2, 4))
    rest = wander(for_rest, (2, 4), _RESTLESS_BAND)(time)
    waving = 2 * np.pi * for_waving.uniform(*_WAVING_BAND) * time
    waving += for_waving.uniform(0, 2 * np.pi)
    for index, side in enumerate(SIDES):
        names = movement.lead
        if index != lead and movement.other:
            names = movement.other
        keys = visit(
            keys_of[index],
            time,
            lambda r, names=names, side=side: _draw_arm(
                body, side, names[r.integers(len(names))], r
            ),
            movement.hold,
            movement.travel,
        )
        wave, loose = keys[:, 4], keys[:, 5]
        # The arm swings forward with the leg of the other side.
        forward = -side * legs.swing * loose * style.arm_swing
        arms[:, index] = keys[:, :4] + (
            style.liveliness * np.radians(_RESTLESS_ARM) * rest[:, index]
        )
        # If the trunk bends forward, a loose arm still hangs vertically.
        arms[:, index, 0] += forward + loose * (0.8 * bend + 0.4 * legs.fold)
        arms[:, index, 2] += wave * np.sin(waving)
        arms[:, index, 3] += 0.6 * forward + loose * legs.fold
    return arms


def _draw_arm(body, side, name, rng):
    """Returns the arm's angles, its amplitude of waving and its looseness."""
    if name in _HANGING:
        angles, spread, wave, loose = _HANGING[name]
        angles = np.array(angles) + spread * rng.uniform(-1, 1, 4)
        return np.append(np.radians([*angles, wave]), loose)
    place, spread, elbow = _REACHING[name]
    outward = np.array([1, side, 1])
    place = np.array(place) + spread * rng.uniform(-1, 1, 3)
    elbow = np.array(elbow) + 0.2 * rng.uniform(-1, 1, 3)
    angles = anatomy.reach(
        body, side, body.scale * place * outward, elbow * outward
    )
    return np.array([*angles, 0.0, _LOOSENESS_OF_REACHING])
