"""`.gif` and `.mp4`: a motion beside the keypoints it was lifted from."""

import contextlib
import pathlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from absl import logging
from PIL import Image

from ampose_tf import progress, reading
from ampose_tf.lifting.motion import ASSUMED_FPS, Motion, check_gaps
from ampose_tf.lifting.viewers.film import Film
from ampose_tf.lifting.viewers.scene import Scene, arrange

_GIF_HEIGHT, _MP4_HEIGHT = 400, 720
# Pixels of a picture's longer side: it fills a preview's panel.
_PICTURE_SIDE = 1024
# How long one picture is shown where the next is missing.
_LONGEST_STAY_S = 10.0

# Browsers slow a GIF down that has more frames a second.
_GIF_MOST_FPS = 50.0
# So that a GIF stays a few MB: a longer clip is thinned while at least so many
# frames remain a second; beyond, its end is left out.
_GIF_FRAMES = 400
_GIF_LEAST_FPS = 10.0
# The most that the format can say: 65,535 hundredths of a second.
_GIF_LONGEST_MS = 655_350
# One of the 256 is for pixels that stay as they were.
_GIF_COLOURS = 255
# Frames whose colours are chosen for all.
_GIF_SAMPLES = 5


def write_gif(path: pathlib.Path, motion: Motion) -> None:
    """Writes an animated GIF, at the clip's speed, repeated for ever.

    Long clips are thinned, and very long ones cut; what was done stands below
    the picture and is logged. No frame is shown for more than 655 s.

    Args:
        path: Output path.
        motion: With at least one track; without a frame rate, it is shown at
            `motion.ASSUMED_FPS`, and the picture says so.
    """
    scene = arrange(motion)
    shown, remark = _gif_frames(scene)
    if remark:
        name = reading.escaped(path.name)
        logging.warning("%s shows %s", name, remark)
    film = Film(motion, scene, _GIF_HEIGHT, _caption(scene, remark))
    palette = _palette(film, shown)
    # Delays are hundredths of a second: rounded at their ends, they add up.
    seconds_each = shown.step / scene.fps
    ends = np.round(100 * seconds_each * np.arange(len(shown) + 1))
    durations = np.minimum(10 * np.diff(ends), _GIF_LONGEST_MS)
    pictures = _quantised(film, shown, palette)
    next(pictures).save(
        path,
        format="gif",
        save_all=True,
        append_images=pictures,
        duration=durations.astype(int).tolist(),
        loop=0,
    )


def write_mp4(path: pathlib.Path, motion: Motion) -> None:
    """Writes H.264 video, every frame of the clip at its frame rate.

    Args:
        path: Output path.
        motion: As for `write_gif`.

    Raises:
        OSError: If ffmpeg fails.
        ValueError: If it, or `imageio-ffmpeg`, is not installed, or nearly
            all frames are gaps.
    """
    _check_ffmpeg(path)
    scene = arrange(motion)
    there = np.unique(np.concatenate([t.frames for t in motion.tracks]))
    check_gaps(path, len(scene.frames), len(there))
    film = Film(motion, scene, _MP4_HEIGHT, _caption(scene, ""))
    with (
        _mp4(path, film, scene) as write,
        progress.bar(len(scene.frames), "frame") as drawn,
    ):
        for frame in scene.frames:
            write(film.draw(frame))
            drawn(1)


def write_preview(
    path: pathlib.Path,
    motion: Motion,
    pictures: Callable[..., Iterator[tuple[int, np.ndarray]]],
) -> None:
    """Writes H.264 video: the keypoints on the video's pictures, and the 3D.

    All pictures are shown, also those without a person; where frames are
    missing in between, the last one stays, for `_LONGEST_STAY_S` at most.

    Args:
        path: Output path.
        motion: As for `write_gif`.
        pictures: Called with `longest`, the pixels of their longer side; see
            `video.shown`.

    Raises:
        OSError: If ffmpeg fails, or the video cannot be read again.
        ValueError: If there is no ffmpeg, or no picture.
    """
    _check_ffmpeg(path)
    scene = arrange(motion)
    film = Film(
        motion, scene, _MP4_HEIGHT, _caption(scene, ""), on_pictures=True
    )
    most = max(1, round(_LONGEST_STAY_S * scene.fps / scene.frames.step))
    with (
        _mp4(path, film, scene) as write,
        progress.bar(len(scene.frames), "frame") as drawn,
        # So that the video's decoder ends where something fails.
        contextlib.closing(pictures(longest=_PICTURE_SIDE)) as shown,
    ):
        before, last = 0, None
        for frame, picture in shown:
            place = round(frame / scene.frames.step)
            if last is not None:
                stays = min(place - before, most)
                for _ in range(stays):
                    write(last)
            last, before = film.draw(frame, picture), place
            drawn(1)
        write(last)


@contextlib.contextmanager
def _mp4(path, film, scene):
    """Yields a function that writes a film's next picture to a file."""
    import imageio_ffmpeg

    writer = imageio_ffmpeg.write_frames(
        str(path),
        film.size,
        fps=scene.fps / scene.frames.step,
        # Thin lines show what is saved on.
        quality=7,
        macro_block_size=2,
        ffmpeg_log_level="error",
        # So that a browser starts before it has all.
        output_params=["-movflags", "+faststart"],
    )
    count = 0

    def write(picture):
        nonlocal count
        writer.send(picture)
        count += 1

    with contextlib.closing(writer):
        writer.send(None)
        yield write
    # The writer does not tell when ffmpeg fails at the end.
    written = 0
    if path.is_file():
        written, _ = imageio_ffmpeg.count_frames_and_secs(str(path))
    if written != count:
        raise OSError(f"{path.name}: ffmpeg wrote {written} of {count} frames")


def _check_ffmpeg(path):
    try:
        import imageio_ffmpeg

        imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        raise ValueError(
            f"{path.name}: an .mp4 needs ffmpeg: pip install "
            "'ampose_tf[video]' brings one; .gif and .html need none"
        ) from error


def _gif_frames(scene: Scene) -> tuple[range, str]:
    """Returns which frames a GIF shows, and what to say of it."""
    rate = scene.fps / scene.frames.step
    every = max(
        int(np.ceil(rate / _GIF_MOST_FPS)),
        min(
            int(np.ceil(len(scene.frames) / _GIF_FRAMES)),
            int(rate / _GIF_LEAST_FPS),
        ),
    )
    thinned = scene.frames[::every]
    shown = thinned[:_GIF_FRAMES]
    remarks = []
    if every > 1:
        remarks.append(f"one frame in {every}")
    if len(shown) < len(thinned):
        seconds, total = (
            len(part) * thinned.step / scene.fps for part in (shown, thinned)
        )
        remarks.append(f"the first {seconds:.0f} of {total:.0f} seconds")
    return shown, ", ".join(remarks)


def _palette(film: Film, shown: Sequence[int]) -> Image.Image:
    """Returns a picture with the colours of all frames."""
    chosen = np.linspace(0, len(shown) - 1, _GIF_SAMPLES).astype(int)
    samples = np.concatenate([film.draw(shown[i]) for i in chosen])
    palette = Image.fromarray(samples).quantize(_GIF_COLOURS)
    # What is nearly white gets colours of its own, which then tint the paper.
    colours = np.array(palette.getpalette()).reshape(-1, 3)
    colours[colours.min(axis=1) > 240] = 255
    palette.putpalette(colours.ravel().tolist())
    return palette


def _caption(scene, remark):
    parts = [remark] if remark else []
    if not scene.fps_known:
        parts.append(f"frame rate unknown, {ASSUMED_FPS:g} a second assumed")
    if not scene.placed:
        parts.append("place in the room not estimated")
    return "; ".join(parts)


def _quantised(
    film: Film, shown: Sequence[int], palette: Image.Image
) -> Iterator[Image.Image]:
    with progress.bar(len(shown), "frame") as drawn:
        for frame in shown:
            yield Image.fromarray(film.draw(frame)).quantize(
                palette=palette, dither=Image.Dither.NONE
            )
            drawn(1)
