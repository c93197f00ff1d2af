"""Reads images from untrusted files, upright and in RGB."""

import os
import warnings

import numpy as np
from PIL import Image, ImageOps

from ampose_tf import reading
from ampose_tf.lifting.blazepose import ffmpeg

# Pillow's formats with their file signatures and offsets.
_IMAGES = {
    "JPEG": ((0, b"\xff\xd8\xff"),),
    "PNG": ((0, b"\x89PNG"),),
    "WEBP": ((8, b"WEBP"),),
    "BMP": ((0, b"BM"),),
    "TIFF": ((0, b"II*\0"), (0, b"MM\0*")),
}
# The number of bytes that are searched for a second image.
_SEARCHED = 2**24
_MARKED = 16  # Bytes that are searched for a signature.


def is_image(path: str | os.PathLike) -> bool:
    """Returns whether a file has the signature of an image.

    Raises:
        OSError: If the file cannot be read.
    """
    with reading.opened(path) as file:
        content = file.read(_MARKED)
    return any(
        content[place:].startswith(mark)
        for marks in _IMAGES.values()
        for place, mark in marks
    )


def read(path: str | os.PathLike) -> tuple[Image.Image, bool]:
    """Reads an image as RGB, with its Exif orientation applied.

    Returns:
        The image, and whether the file contains further images.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If the image is damaged or too large.
    """
    try:
        with (
            reading.opened(path) as file,
            reading.guarded(),
            warnings.catch_warnings(),
        ):
            # The size is checked below, before anything is decoded.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(file, formats=list(_IMAGES)) as image:
                ffmpeg.check_size(image.size)
                # A phone's photograph contains images of colours or depth.
                is_several = image.format != "MPO" and (
                    getattr(image, "is_animated", False) or _has_another(file)
                )
                return _as_rgb(ImageOps.exif_transpose(image)), is_several
    except OSError as error:
        if error.errno is not None:
            raise
        # Pillow's own errors are about the contents.
        raise ValueError(
            f"{path}: a damaged image: {reading.shown(str(error), 100)}"
        ) from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _has_another(file):
    """Returns whether the file is a sequence of several JPEGs."""
    place = file.tell()
    file.seek(0)
    content = file.read(_SEARCHED)
    file.seek(place)
    return (
        content.startswith(b"\xff\xd8") and b"\xff\xd9\xff\xd8\xff" in content
    )


def _as_rgb(image):
    if image.mode.startswith("I;16") or image.mode == "I":
        # Pixels have 16 bits.
        grey = np.asarray(image, np.float32) / 257
        image = Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8))
    if image.has_transparency_data:
        # Transparent pixels become black.
        image = image.convert("RGBA")
        paper = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(paper, image)
    return image.convert("RGB")
