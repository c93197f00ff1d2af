"""Reading keypoint files."""

import os
import pathlib
from typing import NamedTuple

import numpy as np

from ampose_tf.data import archive


class Keypoints(NamedTuple):
    """One person's keypoints in Human3.6M's order.

    Attributes:
        pixels: (T, J, 2) float32, J 17 or 16.
        image_size: (width, height) in pixels.
    """

    pixels: np.ndarray
    image_size: tuple[int, int]


def read(
    path: str | os.PathLike, image_size: tuple[int, int] | None = None
) -> Keypoints:
    """Reads an `.npy`, or an `.npz` with `keypoints_px` or a single array.

    Args:
        path: The file; its array is (T, J, 2) or, for one frame, (J, 2).
        image_size: (width, height); where None, the file must hold it as
            `image_size`.

    Raises:
        OSError: Where there is no such file.
        ValueError: Where it is something else, or values make no sense as
            pixels.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no keypoint file {path}")
    if path.suffix == ".npz":
        members = archive.read(path)
        own_size = members.pop("image_size", None)
        if "keypoints_px" in members:
            array = members["keypoints_px"]
        elif len(members) == 1:
            array = next(iter(members.values()))
        else:
            raise ValueError(
                f"{path}: expected an array keypoints_px, found "
                f"{', '.join(members) or 'nothing'}"
            )
    elif path.suffix == ".npy":
        array, own_size = _read_npy(path), None
    else:
        raise ValueError(
            f"{path}: expected an .npz or .npy of pixel keypoints"
        )
    if image_size is None:
        if own_size is None:
            raise ValueError(
                f"{path}: the file does not say its image's size; give "
                "--image_size=WIDTHxHEIGHT"
            )
        image_size = _checked_size(own_size, path)
    return Keypoints(_checked(array, path), image_size)


def parse_image_size(text: str) -> tuple[int, int]:
    """Parses "WIDTHxHEIGHT" in pixels.

    Raises:
        ValueError: Where it is not two positive whole numbers.
    """
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(p.isdecimal() and int(p) for p in parts):
        raise ValueError(
            f"--image_size: expected WIDTHxHEIGHT in pixels, both above 0, "
            f"got {text!r}"
        )
    return int(parts[0]), int(parts[1])


def _read_npy(path):
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path}: not a readable .npy: {error}") from error


def _checked_size(size, path):
    size = np.asarray(size)
    if (
        size.shape != (2,)
        or size.dtype.kind not in "iuf"
        or not (np.isfinite(size).all() and (size > 0).all())
    ):
        raise ValueError(
            f"{path}: image_size: expected a positive width and height, got "
            f"{size.tolist()}"
        )
    return int(size[0]), int(size[1])


def _checked(array, path):
    if isinstance(array, np.ndarray) and array.ndim == 2:
        array = array[None]
    if (
        not isinstance(array, np.ndarray)
        or array.dtype.kind not in "iuf"
        or array.ndim != 3
        or array.shape[1] not in (16, 17)
        or array.shape[2] != 2
        or not len(array)
    ):
        raise ValueError(
            f"{path}: expected pixels of shape (T, 17, 2) or (T, 16, 2) in "
            "Human3.6M's joint order, got "
            f"{getattr(array, 'shape', type(array).__name__)}"
        )
    finite = np.isfinite(array).all(axis=2)
    if not finite.all():
        frame, joint = np.argwhere(~finite)[0]
        raise ValueError(
            f"{path}: joint {joint} of frame {frame} is not finite; every "
            "joint must have a position"
        )
    if np.abs(array).max() < 3:
        raise ValueError(
            f"{path}: expected pixels; no value reaches 3, as if they had "
            "been normalised"
        )
    return array.astype(np.float32)
