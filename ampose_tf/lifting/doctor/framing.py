"""Where in the image people are: its size, its borders, and theirs."""

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

# Heights of people in longest sides of the image, between which nearly all
# of the training data lie: drawn cameras stand 2 to 7 m away and farther,
# until people fit.
SMALLEST, LARGEST = 0.1, 0.9
# Beyond this share of the image's longest side a joint is outside.
_MARGIN = 0.01
# Of the frames, in which a joint is lost at the border, or anywhere.
_SOMETIMES = 0.05
_OFTEN = 0.25
# Of the frames, in which a hidden joint is farther out than any that is seen;
# photographs do not show how far people reach.
_BEYOND = 0.1
_FEWEST_FRAMES = 5
# Heights of the person, from the border, at which joints are lost there.
_NEAR = 0.08
# Half of the joints: somebody is rather elsewhere than cut off.
_ELSEWHERE = 0.4
# People below whose feet half of the image is empty are rare, and more so
# where it is empty beside them too. By how much it is likelier that the image
# is smaller than said, in logarithms of probabilities, by `extent_features`:
# benchmarks/extents.py.
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
# The head alone is not seen where a detector misses one ear of a profile.
_TOP = tuple(_JOINT[name] for name in ("Head", "LShoulder", "RShoulder"))


def examine(
    people: tuple[ExaminedPerson, ...], image_size: tuple[int, int] | None
) -> list[Finding]:
    """Returns findings of the kinds image_size, cut_off and scale.

    Args:
        people: At least one, in pixels of an upright image.
        image_size: (width, height); None where it is not known.
    """
    found = [_cut_off(people, image_size)]
    if image_size is not None:
        found += [_image_size(people, image_size), _scale(people, image_size)]
    return [finding for finding in found if finding]


def extents(people: tuple[ExaminedPerson, ...], image_size) -> np.ndarray:
    """Returns (4,): left, top, right and bottom of all in shares of the image.

    Quantiles, since single joints may be anywhere.
    """
    points = np.concatenate([p.pixels[p.seen] for p in people])
    return (np.quantile(points, (0.01, 0.99), axis=0) / image_size).ravel()


def extent_features(placed: np.ndarray) -> np.ndarray:
    """Returns (..., 13), extents (..., 4) with their squares and products."""
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
    said = f"the image is said to be {image_size[0]}x{image_size[1]}"
    advice = "give the size of the frames with --image_size=WIDTHxHEIGHT"
    beyond = _beyond(points, size).mean()
    if beyond > 0.01:
        high = points.max(axis=0)
        return Finding(
            "image_size",
            f"{said}, but {beyond:.0%} of the joints lie outside, as far as "
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
        guess = "as if width and height were exchanged"
    else:
        return None
    return Finding(
        "image_size",
        f"{said}, but it is empty below people, {guess}; {advice}",
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
    whose = f"person {names}" if len(lost) == 1 else f"persons {names}"
    if len(lost) > 5:
        whose += ", …"
    return Finding(
        "cut_off",
        f"{whose}: part of the body is outside the image or never seen, in "
        f"up to {share:.0%} of the frames; what is not seen is guessed: film "
        "from farther away, or trust the joints that were seen alone",
        LIKELY if any(sure for _, _, sure in lost) else POSSIBLE,
    )


def _lost(person, image_size):
    """Returns in which share of the frames the person is cut off, or 0.

    And whether the image's borders say so, or only what is not seen.
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
        # Where nothing has been seen in the whole clip is no image, perhaps;
        # what somebody hides himself lies among what is seen.
        low, high = pixels[seen].min(axis=0), pixels[seen].max(axis=0)
        away = ((placed < low) | (placed > high)).any(axis=2) & hidden
        share = float(away.any(axis=1).mean())
        if len(rows) < _FEWEST_FRAMES or share <= _BEYOND:
            return missing, False
        return max(missing, share), False
    size = np.array(image_size, np.float64)
    outside = _beyond(placed, size).any(axis=1)
    # Detectors that never leave the image put joints on its border.
    depth = np.minimum(pixels, size - pixels).min(axis=2)  # (F, 17)
    outside |= (seen & (depth <= 1)).sum(axis=1) >= 2
    # What is made up of a hidden joint may lie on either side of it.
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
        f"than the model has been trained on ({SMALLEST:g} to {LARGEST:g} "
        "times the longest side); check --image_size and the unit of the "
        "coordinates, or "
        + (
            "crop the film to the people"
            if small
            else "film from farther away"
        ),
        LIKELY,
    )


def _beyond(points, size):
    """Returns (...,), which points (..., 2) lie outside of the image."""
    margin = _MARGIN * size.max()
    return ((points < -margin) | (points > size + margin)).any(axis=-1)
