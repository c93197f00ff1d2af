"""A film of a drawn person, whom BlazePose takes for one."""

import math
import pathlib

from PIL import Image, ImageDraw

SIZE = (640, 480)
FPS = 20

_SKIN, _HAIR = (224, 172, 138), (60, 40, 30)
_SHIRT, _TROUSERS, _SHOES = (178, 34, 52), (38, 52, 92), (30, 30, 30)


def _capsule(draw, start, end, width, colour):
    draw.line([start, end], colour, round(width))
    for x, y in (start, end):
        r = width / 2
        draw.ellipse((x - r, y - r, x + r, y + r), colour)


def picture(raised: float, hip: tuple[float, float] = (320, 260)):
    """Returns a picture of a person who faces the camera.

    Args:
        raised: How far the person's left arm is raised, 0 to 1; it is on the
            right of the picture.
        hip: Where the middle of the hips is, in pixels.
    """
    scale = 2  # Drawn larger, for smooth edges.
    image = Image.new("RGB", [scale * side for side in SIZE])
    draw = ImageDraw.Draw(image)
    width, height = image.size
    for row in range(height):
        shade = 205 - 60 * row // height
        draw.line((0, row, width, row), (shade, shade + 8, shade + 16))
    draw.rectangle((0, 0.8 * height, width, height), (130, 118, 104))

    def at(x, y):
        """Returns a place, in tenths of a person's height from the hip."""
        return scale * (hip[0] + 36 * x), scale * (hip[1] + 36 * y)

    unit = 36 * scale
    for side in (-1, 1):
        hips, knee, ankle = (
            at(0.55 * side, 0),
            at(0.65 * side, 2.4),
            at(0.7 * side, 4.7),
        )
        _capsule(draw, hips, knee, 1.05 * unit, _TROUSERS)
        _capsule(draw, knee, ankle, 0.75 * unit, _TROUSERS)
        _capsule(
            draw,
            at(0.72 * side, 4.95),
            at(1.05 * side, 5.05),
            0.5 * unit,
            _SHOES,
        )
    draw.polygon(
        [at(-1.25, -3.2), at(1.25, -3.2), at(0.95, 0.2), at(-0.95, 0.2)],
        _SHIRT,
    )
    _capsule(draw, at(-1.1, -3.0), at(1.1, -3.0), 0.8 * unit, _SHIRT)
    for side in (-1, 1):
        angle = math.radians(15 + (135 * raised if side == 1 else 0))
        shoulder = (1.3 * side, -3.0)
        elbow = (
            shoulder[0] + 1.7 * side * math.sin(angle),
            shoulder[1] + 1.7 * math.cos(angle),
        )
        wrist = (
            elbow[0] + 1.5 * side * math.sin(angle),
            elbow[1] + 1.5 * math.cos(angle),
        )
        _capsule(draw, at(*shoulder), at(*elbow), 0.72 * unit, _SHIRT)
        _capsule(draw, at(*elbow), at(*wrist), 0.5 * unit, _SKIN)
        _capsule(draw, at(*wrist), at(*wrist), 0.6 * unit, _SKIN)
    _capsule(draw, at(0, -3.3), at(0, -3.9), 0.6 * unit, _SKIN)
    draw.ellipse((*at(-0.62, -5.6), *at(0.62, -3.9)), _SKIN)
    draw.pieslice((*at(-0.66, -5.75), *at(0.66, -4.2)), 180, 360, _HAIR)
    for side in (-1, 1):
        x, y = at(0.25 * side, -4.85)
        draw.ellipse((x - 7, y - 4, x + 7, y + 4), "white")
        draw.ellipse((x - 3, y - 3, x + 3, y + 3), _HAIR)
        draw.line((x - 9, y - 9, x + 9, y - 9), _HAIR, 4)
    draw.line((*at(0, -4.8), *at(0.06, -4.55)), (190, 135, 105), 5)
    draw.arc((*at(-0.25, -4.5), *at(0.25, -4.2)), 20, 160, (160, 60, 60), 5)
    return image.resize(SIZE, Image.Resampling.LANCZOS)


def write(path: pathlib.Path, frames: int) -> None:
    """Writes a film that Chromium plays as a camera, `.mjpeg`.

    The person raises the left arm and lowers it again.
    """
    with path.open("wb") as file:
        for frame in range(frames):
            raised = 0.5 - 0.5 * math.cos(2 * math.pi * frame / frames)
            picture(raised).save(file, "JPEG", quality=90)
