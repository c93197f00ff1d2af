"""Checks whether coordinates are pixels of an image."""

import numpy as np

from ampose_tf.lifting.doctor.findings import (
    CERTAIN,
    LIKELY,
    POSSIBLE,
    ExaminedPerson,
    Finding,
)

# Pixels are larger: half of all coordinates are never this close to 0.
_NORMALISED = 2
# If 0 is the middle, at least this share of the coordinates is on its other
# side, and the middle of the people is within this distance, in image sizes.
_ACROSS = 0.15
_MIDDLE = 0.35
# Height of people in metres, and possible units per metre. If more than
# _SOME_ACROSS of the coordinates are on the other side of 0, they are not
# those of an image.
_TALL_M = (1.1, 2.2)
_UNITS = {"metres": 1, "millimetres": 1000}
_SOME_ACROSS = 0.03
# A hip within this distance of 0, in heights of the person, is at 0.
_AT_HIP = 0.1


def examine(
    people: tuple[ExaminedPerson, ...], image_size: tuple[int, int] | None
) -> list[Finding]:
    """Returns findings of the kinds normalised and is_3d.

    Args:
        people: At least one person, as in the file.
        image_size: (width, height); None if unknown.
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
    # If the image size is known, coordinates must also be centred on the hip.
    if image_size is not None and not (
        len(hips)
        and np.median(np.linalg.norm(hips, axis=1)) < _AT_HIP * height
    ):
        return None
    for name, unit in _UNITS.items():
        if _TALL_M[0] <= height / unit <= _TALL_M[1]:
            return Finding(
                "is_3d",
                "the coordinates are on both sides of 0 and people are "
                f"{height:.3g} tall, like x and y of 3D joints in {name}; "
                "give the 2D keypoints in pixels that they were computed from",
                POSSIBLE,
            )
    return None


def _normalised(points, image_size):
    if np.median(np.abs(points)) < _NORMALISED:
        return Finding(
            "normalised",
            "half of all coordinates are smaller than "
            f"{_NORMALISED}: they are normalised, not in pixels; multiply "
            "them by the width and height of the image",
            CERTAIN,
        )
    low, high = np.quantile(points, (0.01, 0.99), axis=0)
    size = 2 * (high - low) if image_size is None else np.array(image_size)
    across = (points < 0).mean(axis=0)
    across = np.minimum(across, 1 - across)
    # People who are larger than the image may extend beyond 0.
    if across.max() > _ACROSS and np.all(
        (np.abs(low + high) / 2 < _MIDDLE * size) & (high - low <= size)
    ):
        return Finding(
            "normalised",
            "the coordinates are centred on 0, as if they were measured from "
            "the image's centre or from the hip, or normalised to [-1, 1]; "
            "measure pixels from the upper left corner",
            LIKELY,
        )
    return None
