"""What pictures show: their frames, decoded, and the colours in them."""

import numpy as np
from matplotlib.colors import to_rgb
from PIL import Image, ImageSequence


def decoded(path):
    """Returns the frames of a picture, (N, H, W, 3) uint8."""
    with Image.open(path) as picture:
        return np.stack(
            [
                np.asarray(frame.convert("RGB"))
                for frame in ImageSequence.Iterator(picture)
            ]
        )


def count(frames, colour, within=2):
    """Returns how many pixels of each frame have a colour, (N,).

    Args:
        frames: (N, H, W, 3) uint8.
        colour: As matplotlib has it.
        within: By how much each channel may differ, as in a GIF's palette.
    """
    wanted = np.round(255 * np.array(to_rgb(colour))).astype(np.int16)
    near = np.abs(frames - wanted) <= within
    return near.all(axis=-1).sum(axis=(1, 2))
