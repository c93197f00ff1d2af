"""Checks positions in the image: its size, cut-off people and their scale."""

import numpy as np

from ampose_tf.lifting import completion
from ampose_tf.lifting.doctor.findings import (
    LIKELY,
    POSSIBLE,
    ExaminedPerson,
    Finding,
)
from ampose_tf.skeleton import H36M_17

_JOINT = {name: index for index, name in enumerate(H36M_17.joints)}

# Heights of nearly all people in the training data, in longest sides of the
# image: sampled cameras are 2 to 7 m away, or farther until people fit.
SMALLEST, LARGEST = 0.1, 0.9
# A joint farther outside than this share of the image's longest side counts as
# outside.
_MARGIN = 0.01
# Least share of the frames in which joints are lost at the border, or
# anywhere.
_SOMETIMES = 0.05
_OFTEN = 0.25
# Least share of the frames in which a hidden joint is farther out than any
# seen one, and the fewest frames: a few do not show how far people reach.
_BEYOND = 0.1
_FEWEST_FRAMES = 5
# Joints nearer to the border than this are lost there, in heights of the
# person.
_NEAR = 0.08
# With this share of the joints outside, the image size is wrong rather than
# people cut off.
_ELSEWHERE = 0.4
# People with an image half empty below their feet are rare, even more so if it
# is also empty beside them. Weights of `extent_features` for the log odds
# that the image is smaller than stated; see benchmarks/extents.py.
_EMPTY_BELOW = 0.6
_EMPTY_EXCHANGED = 0.55
_EMPTY_WEIGHTS = np.array(
    [14.5]
    + [16.2, 16.2, -2.5, -2.8]
    + [-34.0, -52.1, 3.6, -21.9]
    + [-21.3, -29.7, -10.9, 36.5]
)
_EMPTY = 1.6

_FEET = (_JOINT["LFoot"], _JOINT["RFoot"])
# Not only the head: a detector that misses one ear of a profile loses it.
_TOP = tuple(_JOINT[name] for name in ("Head", "LShoulder", "RShoulder"))


def examine(
    people: tuple[ExaminedPerson, ...], image_size: tuple[int, int] | None
) -> list[Finding]:
    """Returns findings of the kinds image_size, cut_off and scale.

    Args:
        people: At least one person, in pixels of an upright image.
        image_size: (width, height); None if unknown.
    """
    found = [_cut_off(people, image_size)]
    if image_size is not None:
        found += [_image_size(people, image_size), _scale(people, image_size)]
    return [finding for finding in found if finding]


def extents(people: tuple[ExaminedPerson, ...], image_size) -> np.ndarray:
    """Returns (4,): left, top, right and bottom of all people in image sizes.

    Quantiles are used, since single joints may be anywhere.
    """
    points = np.concatenate([p.pixels[p.seen] for p in people])
    return (np.quantile(points, (0.01, 0.99), axis=0) / image_size).ravel()


def extent_features(placed: np.ndarray) -> np.ndarray:
    """Returns (..., 13): extents (..., 4), their squares and products."""
    left, top, right, bottom = np.moveaxis(placed, -1, 0)
    return np.stack(
        [
            np.ones_like(left),
            left,
            top,
            right,
            bottom,
            left**2,
            top**2,
            right**2,
            bottom**2,
            left * right,
            top * bottom,
            right * bottom,
            left * top,
        ],
        axis=-1,
    )


def _image_size(people, image_size):
    size = np.array(image_size, np.float64)
    points = np.concatenate([p.pixels[p.seen] for p in people])
    said = f"the image size is given as {image_size[0]}x{image_size[1]}"
    advice = "set the size of the frames with --image_size=WIDTHxHEIGHT"
    beyond = _beyond(points, size).mean()
    if beyond > 0.01:
        high = points.max(axis=0)
        return Finding(
            "image_size",
            f"{said}, but {beyond:.0%} of the joints are outside, as far as "
            f"({high[0]:.0f}, {high[1]:.0f}); {advice}",
            LIKELY if beyond > _ELSEWHERE else POSSIBLE,
        )
    placed = extents(people, image_size)
    low, high = placed[:2] * size, placed[2:] * size
    bottom = placed[3]
    exchanged = size[::-1]
    middle = (low + high) / 2
    odds = float(extent_features(placed) @ _EMPTY_WEIGHTS)
    if bottom < _EMPTY_BELOW and odds > _EMPTY:
        guess = "as if it were larger than the frames"
    elif (
        bottom < _EMPTY_EXCHANGED
        and size[1] > size[0]
        and (high < exchanged).all()
        and np.linalg.norm(middle - exchanged / 2)
        < np.linalg.norm(middle - size / 2)
    ):
        guess = "as if width and height were swapped"
    else:
        return None
    return Finding(
        "image_size",
        f"{said}, but the image is empty below the people, {guess}; {advice}",
        POSSIBLE,
    )


def _cut_off(people, image_size):
    lost = []
    for person in people:
        share, sure = _lost(person, image_size)
        if share:
            lost.append((person.track_id, share, sure))
    if not lost:
        return None
    names = ", ".join(str(track_id) for track_id, _, _ in lost[:5])
    share = max(share for _, share, _ in lost)
    whose = f"person {names}" if len(lost) == 1 else f"people {names}"
    if len(lost) > 5:
        whose += ", …"
    return Finding(
        "cut_off",
        f"{whose}: part of the body is outside the image or never seen, in "
        f"up to {share:.0%} of the frames; unseen joints are guessed: film "
        "from farther away, or trust only the joints that were seen",
        LIKELY if any(sure for _, _, sure in lost) else POSSIBLE,
    )


def _lost(person, image_size):
    """Returns the share of the frames in which the person is cut off, or 0.

    Also returns whether this is certain from the image's borders, rather than
    guessed from unseen joints.
    """
    rows = person.spread()
    pixels, seen = person.pixels[rows], person.seen[rows]
    hidden = ~seen
    # Both feet, head and shoulders, or a third of all joints.
    missing = np.mean(
        hidden[:, _FEET].all(axis=1)
        | hidden[:, _TOP].all(axis=1)
        | (hidden.sum(axis=1) > hidden.shape[1] / 3)
    )
    missing = float(missing) if missing > _OFTEN else 0.0
    placed = completion.complete(pixels, seen, person.frames[rows])
    placed = placed.astype(np.float64)
    if image_size is None:
        # Positions outside of all seen joints may be outside of the image;
        # joints hidden by the person's own body are inside.
        low, high = pixels[seen].min(axis=0), pixels[seen].max(axis=0)
        away = ((placed < low) | (placed > high)).any(axis=2) & hidden
        share = float(away.any(axis=1).mean())
        if len(rows) < _FEWEST_FRAMES or share <= _BEYOND:
            return missing, False
        return max(missing, share), False
    size = np.array(image_size, np.float64)
    outside = _beyond(placed, size).any(axis=1)
    # Some detectors never leave the image and put joints on its border.
    depth = np.minimum(pixels, size - pixels).min(axis=2)  # (F, 17)
    outside |= (seen & (depth <= 1)).sum(axis=1) >= 2
    # The guessed position of a hidden joint may be on either side of it.
    placed_depth = np.minimum(placed, size - placed).min(axis=2)
    lost = hidden & (placed_depth < _NEAR * person.height)
    outside |= lost.any(axis=1) & (hidden.mean(axis=0) > _OFTEN).any()
    share = float(outside.mean())
    if share > _SOMETIMES:
        return share, True
    return missing, False


def _scale(people, image_size):
    heights = np.array([person.height for person in people])
    heights = heights[np.isfinite(heights)]
    if not len(heights):
        return None
    longest = max(image_size)
    typical = float(np.median(heights)) / longest
    if SMALLEST <= typical <= LARGEST:
        return None
    small = typical < SMALLEST
    return Finding(
        "scale",
        f"people are about {typical * longest:.0f} pixels tall in an image of "
        f"{image_size[0]}x{image_size[1]}, {'smaller' if small else 'larger'} "
        f"than in the training data ({SMALLEST:g} to {LARGEST:g} "
        "times the longest side); check --image_size and the unit of the "
        "coordinates, or "
        + (
            "crop the video to the people"
            if small
            else "film from farther away"
        ),
        LIKELY,
    )


def _beyond(points, size):
    """Returns (...,), which points (..., 2) are outside of the image."""
    margin = _MARGIN * size.max()
    return ((points < -margin) | (points > size + margin)).any(axis=-1)
