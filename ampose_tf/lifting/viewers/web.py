"""`.html`: a viewer of a motion in one file that works offline."""

import base64
import contextlib
import html
import io
import json
import pathlib
import re
from collections.abc import Callable, Iterator

import numpy as np

from ampose_tf import reading
from ampose_tf.lifting.floor import rotation_to_world
from ampose_tf.lifting.motion import ASSUMED_FPS, Motion
from ampose_tf.lifting.viewers.scene import (
    LEFT,
    MIDDLE,
    RIGHT,
    Person,
    arrange,
    joint_colours,
)
from ampose_tf.skeleton import Skeleton

# Longer side of a picture in pixels, and limit of all pictures in bytes.
_PICTURE_SIDE, _JPEG_QUALITY = 320, 70
_PICTURES_BYTES = 5_000_000

_PAGE = pathlib.Path(__file__).parent / "page"


def write(
    path: pathlib.Path,
    motion: Motion,
    pictures: Callable[..., Iterator[tuple[int, np.ndarray]]] | None = None,
) -> None:
    """Writes an interactive page that plays a motion in 2D and 3D.

    The page contains its program, three.js (see `page/three.md` for the
    version) and the motion: 0.6 MB, and about 250 bytes per person and frame.
    It loads nothing else; its Content-Security-Policy forbids this.

    Args:
        path: Output path; its stem is the page's title.
        motion: Motion with at least one track. Without a frame rate, it is
            played at `motion.ASSUMED_FPS`, which the page's notes state.
        pictures: Yields the video's pictures, see `video.shown`, to show
            behind the keypoints. They are shrunk, and thinned to at most
            5 MB. None to show no pictures.
    """
    parts = {
        "title": html.escape(reading.escaped(path.stem)),
        "motion": _in_script(
            _content(motion)
            | {"pictures": [] if pictures is None else _small(pictures)}
        ),
        "left": LEFT,
        "right": RIGHT,
        "middle": MIDDLE,
    }
    parts |= {
        file.name: file.read_text(encoding="utf-8") for file in _PAGE.iterdir()
    }
    parts["viewer.css"] = _filled(parts["viewer.css"], parts)
    page = _filled(parts["viewer.html"], parts)
    path.write_text(page, encoding="utf-8", newline="\n")


def _filled(text, parts):
    """Returns a text with each @name@ replaced by the part of that name."""
    return re.sub(r"@([\w.]+)@", lambda found: parts[found[1]], text)


def _in_script(content):
    """Returns JSON that cannot end the script element around it."""
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _content(motion):
    """Returns the content that page/motion.js reads."""
    scene = arrange(motion)
    skeleton = motion.skeleton
    notes = list(motion.notes)
    if not scene.fps_known:
        notes.append(
            f"Frame rate unknown: played at {ASSUMED_FPS:g} frames per second."
        )
    if not scene.placed:
        notes.append(
            "Positions not estimated: people without one are shown side by "
            "side, with the lower ankle on the floor."
        )
    return {
        "image_size": [int(side) for side in motion.image_size],
        "fps": scene.fps,
        "fps_known": scene.fps_known,
        "first": scene.frames.start,
        "step": scene.frames.step,
        "count": len(scene.frames),
        "placed": scene.placed,
        "camera": scene.camera.tolist(),
        # The camera looks along its z.
        "camera_axis": rotation_to_world(motion.up)[:, 2].tolist(),
        "joints": skeleton.joints,
        "joint_colours": joint_colours(skeleton),
        "edges": skeleton.edges,
        "notes": notes,
        "people": [_person(person, skeleton) for person in scene.people],
    }


def _small(pictures):
    """Returns some pictures as small JPEGs, with their frame numbers."""
    # Only pages with pictures need it.
    from PIL import Image

    chosen, size, every = [], 0, 1
    # Closed so that the video's decoder ends on failure.
    with contextlib.closing(pictures(longest=_PICTURE_SIDE)) as shown:
        for place, (frame, pixels) in enumerate(shown):
            if place % every:
                continue
            jpeg = io.BytesIO()
            Image.fromarray(pixels).save(jpeg, "jpeg", quality=_JPEG_QUALITY)
            data = base64.b64encode(jpeg.getvalue()).decode("ascii")
            chosen.append({"frame": frame, "data": data})
            size += len(data)
            if size > _PICTURES_BYTES:
                # Keeps every other picture, also of the following ones.
                chosen, every = chosen[::2], 2 * every
                size = sum(len(picture["data"]) for picture in chosen)
    return chosen


def _person(person: Person, skeleton: Skeleton):
    track = person.track
    hips = person.positions[:, :1]
    return {
        "id": int(track.track_id),
        "bone_colours": person.bone_colours(skeleton),
        "frames": _packed(track.frames, "int32"),
        "hips": _packed(hips, "float32"),
        "offsets": _packed_finely(person.positions - hips),
        "pixels": _packed_finely(person.pixels(slice(None))),
        "scores": _packed_finely(track.scores),
        "seen": _packed(track.seen, "uint8"),
    }


def _packed(array, dtype):
    little_endian = np.asarray(array).astype(np.dtype(dtype).newbyteorder("<"))
    data = base64.b64encode(little_endian.tobytes()).decode("ascii")
    return {"type": dtype, "data": data}


def _packed_finely(array):
    """Packs numbers as int16 in steps of 1/32767 of the largest.

    NaN is -32768. For people and images, the steps are well below a
    millimetre and a pixel.
    """
    step = float(np.nanmax(np.abs(array), initial=0)) / 32767 or 1.0
    rounded = np.round(array / step)
    packed = np.where(np.isfinite(rounded), rounded, -32768)
    return _packed(packed, "int16") | {"step": step}
