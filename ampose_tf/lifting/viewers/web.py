"""`.html`: a motion in one file that any browser shows, without a network."""

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

# Pixels of a picture's longer side, and bytes of all pictures.
_PICTURE_SIDE, _JPEG_QUALITY = 320, 70
_PICTURES_BYTES = 5_000_000

_PAGE = pathlib.Path(__file__).parent / "page"


def write(
    path: pathlib.Path,
    motion: Motion,
    pictures: Callable[..., Iterator[tuple[int, np.ndarray]]] | None = None,
) -> None:
    """Writes a page that orbits, plays and scrubs, 2D beside 3D.

    It holds its program, three.js (`page/three.md` says which) and the
    motion: 0.6 MB and about 250 bytes for each person and frame. It loads
    nothing, and a Content-Security-Policy of its own forbids it to.

    Args:
        path: Output path; its stem is the page's title.
        motion: With at least one track; without a frame rate, it is played
            at `motion.ASSUMED_FPS`, and the page's notes say so.
        pictures: The video's pictures, see `video.shown`, which go behind
            the keypoints, small, and thinned so that all take 5 MB at most.
            None for none.
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
    """Returns a text with parts in the place of their names, @name@."""
    return re.sub(r"@([\w.]+)@", lambda found: parts[found[1]], text)


def _in_script(content):
    """Returns JSON that cannot end the script element it stands in."""
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _content(motion):
    """What page/motion.js reads."""
    scene = arrange(motion)
    skeleton = motion.skeleton
    notes = list(motion.notes)
    if not scene.fps_known:
        notes.append(
            f"Frame rate unknown: played at {ASSUMED_FPS:g} frames a second."
        )
    if not scene.placed:
        notes.append(
            "Place in the room not estimated: people without one stand beside "
            "the others, the lower ankle on the floor."
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
    """Returns some pictures as small JPEGs, with the numbers of frames."""
    # Pages without pictures do without it.
    from PIL import Image

    chosen, size, every = [], 0, 1
    # So that the video's decoder ends where something fails.
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
                # Every other one of those up to now, and of those to come.
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

    NaN is -32768. Of people and images the steps are well below a millimetre
    and a pixel.
    """
    step = float(np.nanmax(np.abs(array), initial=0)) / 32767 or 1.0
    rounded = np.round(array / step)
    packed = np.where(np.isfinite(rounded), rounded, -32768)
    return _packed(packed, "int16") | {"step": step}
