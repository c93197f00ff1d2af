"""Images of files from strangers, as they are to be seen."""

import os
import warnings

import numpy as np
from PIL import Image, ImageOps

from ampose_tf import reading
from ampose_tf.lifting.blazepose import ffmpeg

# Formats of Pillow's, by how their files begin, and the files' endings.
_IMAGES = {
    "JPEG": ((0, b"\xff\xd8\xff"),),
    "PNG": ((0, b"\x89PNG"),),
    "WEBP": ((8, b"WEBP"),),
    "BMP": ((0, b"BM"),),
    "TIFF": ((0, b"II*\0"), (0, b"MM\0*")),
}
# How much of a file is searched for a second image.
_SEARCHED = 2**24
_MARKED = 16  # Bytes of a beginning.


def is_image(path: str | os.PathLike) -> bool:
    """Returns whether a file begins as an image does.

    Raises:
        OSError: If it cannot be read.
    """
    with reading.opened(path) as file:
        content = file.read(_MARKED)
    return any(
        content[place:].startswith(mark)
        for marks in _IMAGES.values()
        for place, mark in marks
    )


def read(path: str | os.PathLike) -> tuple[Image.Image, bool]:
    """Returns an image as RGB, turned as it is to be seen.

    Returns:
        The image, and whether the file has more of them.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is damaged or too large.
    """
    try:
        with (
            reading.opened(path) as file,
            reading.guarded(),
            warnings.catch_warnings(),
        ):
            # Its size is checked below, before anything is decoded.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(file, formats=list(_IMAGES)) as image:
                ffmpeg.check_size(image.size)
                # A phone's photograph has more, for its colours or depth.
                is_several = image.format != "MPO" and (
                    getattr(image, "is_animated", False) or _has_another(file)
                )
                return _as_rgb(ImageOps.exif_transpose(image)), is_several
    except OSError as error:
        if error.errno is not None:
            raise
        # Pillow's, of what is in it.
        raise ValueError(
            f"{path}: a damaged image: {reading.shown(str(error), 100)}"
        ) from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _has_another(file):
    """Returns whether one JPEG follows another, as in a stream of them."""
    place = file.tell()
    file.seek(0)
    content = file.read(_SEARCHED)
    file.seek(place)
    return (
        content.startswith(b"\xff\xd8") and b"\xff\xd9\xff\xd8\xff" in content
    )


def _as_rgb(image):
    if image.mode.startswith("I;16") or image.mode == "I":
        # There are 16 bits a pixel.
        grey = np.asarray(image, np.float32) / 257
        image = Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8))
    if image.has_transparency_data:
        # What is transparent is black.
        image = image.convert("RGBA")
        paper = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(paper, image)
    return image.convert("RGB")
