"""Whether coordinates are pixels of an image."""

import numpy as np

from ampose_tf.lifting.doctor.findings import (
    CERTAIN,
    LIKELY,
    POSSIBLE,
    ExaminedPerson,
    Finding,
)

# Pixels are larger: half of all coordinates never lie this close to 0.
_NORMALISED = 2
# Of coordinates, on the other side of 0 than the rest, where 0 is the
# middle; and how far from 0 the middle of the people then is, in images.
_ACROSS = 0.15
_MIDDLE = 0.35
# How tall people are in metres, and how many units a metre may have. From
# _SOME_ACROSS on coordinates are no image's.
_TALL_M = (1.1, 2.2)
_UNITS = {"metres": 1, "millimetres": 1000}
_SOME_ACROSS = 0.03
# Heights of the person, at which a hip is at 0.
_AT_HIP = 0.1


def examine(
    people: tuple[ExaminedPerson, ...], image_size: tuple[int, int] | None
) -> list[Finding]:
    """Returns findings of the kinds normalised and is_3d.

    Args:
        people: At least one, as in the file.
        image_size: (width, height); None where it is not known.
    """
    points = np.concatenate([p.source[p.source_seen] for p in people])
    found = [
        _normalised(points, image_size),
        _is_3d(points, people, image_size),
    ]
    return [finding for finding in found if finding]


def _is_3d(points, people, image_size):
    heights = [p.height for p in people if np.isfinite(p.height)]
    across = (points < 0).mean(axis=0)
    across = np.minimum(across, 1 - across)
    hips = np.concatenate([p.pixels[p.seen[:, 0], 0] for p in people])
    if not heights or across.max() < _SOME_ACROSS:
        return None
    height = float(np.median(heights))
    # People who are larger than their image are not around 0.
    if image_size is not None and not (
        len(hips)
        and np.median(np.linalg.norm(hips, axis=1)) < _AT_HIP * height
    ):
        return None
    for name, unit in _UNITS.items():
        if _TALL_M[0] <= height / unit <= _TALL_M[1]:
            return Finding(
                "is_3d",
                "the coordinates lie on both sides of 0 and people are "
                f"{height:.3g} tall, as x and y of 3D joints in {name} "
                "are; give the 2D keypoints in pixels that they were made of",
                POSSIBLE,
            )
    return None


def _normalised(points, image_size):
    if np.median(np.abs(points)) < _NORMALISED:
        return Finding(
            "normalised",
            "half of all coordinates are smaller than "
            f"{_NORMALISED}: they are normalised, not in pixels; multiply "
            "them by the image's width and height",
            CERTAIN,
        )
    low, high = np.quantile(points, (0.01, 0.99), axis=0)
    size = 2 * (high - low) if image_size is None else np.array(image_size)
    across = (points < 0).mean(axis=0)
    across = np.minimum(across, 1 - across)
    # What is larger than the image is not wrong for where it lies alone.
    if across.max() > _ACROSS and np.all(
        (np.abs(low + high) / 2 < _MIDDLE * size) & (high - low <= size)
    ):
        return Finding(
            "normalised",
            "the coordinates lie around 0, as if they had been counted from "
            "the image's centre or from the hip, or normalised to [-1, 1]; "
            "count pixels from the upper left corner",
            LIKELY,
        )
    return None
