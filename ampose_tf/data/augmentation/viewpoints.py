"""Projects each pose in a batch with its own random camera.

The functions are pure functions of arrays and a source of random numbers. They
are written in keras.ops, for both tf.data and JAX.
"""

import math
from typing import NamedTuple

from keras import ops

from ampose_tf.config.ranges import Viewpoints
from ampose_tf.data.augmentation.joints import turned, unit
from ampose_tf.data.augmentation.randomness import between, between_logarithms

# The least distance of a joint from the camera's plane; keypoints would be
# unbounded otherwise.
_NEAREST_M = 0.5
_HEIGHT_M = 1.8
_LOWEST_M = 0.05


class Views(NamedTuple):
    """B people, each in front of their own camera.

    Attributes:
        keypoints_2d: (B, J, 2); the image's longest side is [-1, 1].
        joints: (B, J, 3) metres in the camera's frame.
        half_image: (B, 1, 2), half of the image's width and height in the
            unit of the keypoints; one of them is 1.
        person_size: (B, 1, 1), the size of 1.7 m at the hip's depth in the
            image, in the unit of the keypoints.
        focal: (B, 1, 1), the focal length in the unit of the keypoints.
    """

    keypoints_2d: object
    joints: object
    half_image: object
    person_size: object
    focal: object


def seen(world, ranges: Viewpoints, random) -> Views:
    """Places a camera in front of each person and projects the joints.

    Args:
        world: (B, J, 3) metres, z up, the floor at 0, the hip first.
        ranges: Ranges of the cameras' parameters.
        random: See `randomness.Source`.
    """
    count = ops.shape(world)[0]

    def draw(*shape):
        return random.uniform((count, *shape))

    field = between(ranges.field_of_view_deg, draw(1)) * (math.pi / 180)
    focal = 1 / ops.tan(field / 2)  # (B, 1), over half of the longest side
    half_image = _half_image(between_logarithms(ranges.aspect, draw(1)))
    aim_height = between(ranges.aim_m, draw(1))
    farther_end = ops.maximum(_HEIGHT_M - aim_height, aim_height)
    distance = ops.maximum(
        between_logarithms(ranges.distance_m, draw(1)),
        ranges.fit * farther_end * focal / half_image[:, 1:],
    )
    is_tilted = draw(1) < ranges.tilted
    tilt = between(ranges.tilt_deg, draw(1)) * (math.pi / 180)
    height = ops.where(
        is_tilted,
        ops.maximum(aim_height + distance * ops.sin(tilt), _LOWEST_M),
        between(ranges.height_m, draw(1)),
    )
    on_floor = ops.where(is_tilted, distance * ops.cos(tilt), distance)
    aside = ranges.off_center * between((-1, 1), draw(1))
    aside = aside * half_image[:, :1] * distance / focal
    # The person is at (0, 0), the camera at (on_floor, 0). All cameras are on
    # the same side, and people are rotated instead.
    aim = ops.concatenate([ops.zeros_like(aside), aside, aim_height], axis=-1)
    position = ops.concatenate(
        [on_floor, ops.zeros_like(on_floor), height], axis=-1
    )
    place = ops.concatenate(
        [world[:, :1, :2], ops.zeros_like(world[:, :1, 2:])], axis=-1
    )
    world = turned(world - place, 2 * math.pi * draw(1))
    # The sum of two numbers makes small rolls more frequent than large ones.
    largest = ops.where(
        draw(1) < ranges.rolled, ranges.rolled_deg, ranges.roll_deg
    )
    roll = (draw(1) + draw(1) - 1) * largest * (math.pi / 180)
    axes = _axes(aim - position, roll)
    joints = ops.matmul(world - position[:, None], axes)
    too_near = _NEAREST_M - ops.min(joints[..., 2:], axis=1, keepdims=True)
    back = ops.maximum(too_near, 0.0)  # (B, 1, 1), along the optical axis
    joints = ops.concatenate([joints[..., :2], joints[..., 2:] + back], -1)
    focal = focal[:, None]  # (B, 1, 1)
    return Views(
        focal * joints[..., :2] / joints[..., 2:],
        joints,
        half_image[:, None],
        1.7 * focal / joints[:, :1, 2:],
        focal,
    )


def _half_image(aspect):
    """Returns half width and half height (B, 2); the longer one is 1."""
    return ops.concatenate(
        [ops.minimum(aspect, 1.0), ops.minimum(1 / aspect, 1.0)], axis=-1
    )


def _axes(forward, roll):
    """Returns (B, 3, 3): columns right, down and forward of each camera.

    Args:
        forward: (B, 3), not vertical.
        roll: (B, 1) radians.
    """
    forward = unit(forward)
    x, y, z = (forward[:, i : i + 1] for i in range(3))
    right = unit(ops.concatenate([y, -x, ops.zeros_like(x)], axis=-1))
    rx, ry = right[:, :1], right[:, 1:2]
    # forward x right
    down = ops.concatenate([-z * ry, z * rx, x * ry - y * rx], axis=-1)
    cosine, sine = ops.cos(roll), ops.sin(roll)
    return ops.stack(
        [cosine * right + sine * down, cosine * down - sine * right, forward],
        axis=-1,
    )
