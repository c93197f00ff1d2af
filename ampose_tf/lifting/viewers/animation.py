"""`.gif` and `.mp4`: animations of a motion beside its keypoints."""

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
# Longer side of a picture in pixels; it fills the panel of a preview.
_PICTURE_SIDE = 1024
# Longest time for which a picture is shown if the next ones are missing.
_LONGEST_STAY_S = 10.0

# Browsers slow down GIFs with more frames per second.
_GIF_MOST_FPS = 50.0
# Limits a GIF to a few MB: a longer clip is thinned down to _GIF_LEAST_FPS;
# if this is not enough, its end is left out.
_GIF_FRAMES = 400
_GIF_LEAST_FPS = 10.0
# Limit of the format: 65,535 hundredths of a second.
_GIF_LONGEST_MS = 655_350
# One of the 256 colours marks unchanged pixels.
_GIF_COLOURS = 255
# Number of frames from which the common colours are chosen.
_GIF_SAMPLES = 5


def write_gif(path: pathlib.Path, motion: Motion) -> None:
    """Writes an animated GIF that loops at the clip's speed.

    Long clips are thinned, and very long ones are cut, which is stated below
    the picture and logged. No frame is shown for more than 655 s.

    Args:
        path: Output path.
        motion: Motion with at least one track. Without a frame rate, it is
            shown at `motion.ASSUMED_FPS`, which the picture states.
    """
    scene = arrange(motion)
    shown, remark = _gif_frames(scene)
    if remark:
        name = reading.escaped(path.name)
        logging.warning("%s shows %s", name, remark)
    film = Film(motion, scene, _GIF_HEIGHT, _caption(scene, remark))
    palette = _palette(film, shown)
    # Delays are hundredths of a second: the frames' end times are rounded, so
    # that errors do not accumulate.
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
    """Writes H.264 video of every frame of the clip, at its frame rate.

    Args:
        path: Output path.
        motion: As for `write_gif`.

    Raises:
        OSError: If ffmpeg fails.
        ValueError: If ffmpeg or `imageio-ffmpeg` is not installed, or nearly
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
    """Writes H.264 video of the keypoints on the video's pictures and the 3D.

    All pictures are shown, including those without a person. If frames are
    missing, the picture before them stays, for at most `_LONGEST_STAY_S`.

    Args:
        path: Output path.
        motion: As for `write_gif`.
        pictures: Function of `longest`, the longer side of the pictures in
            pixels, that yields them; see `video.shown`.

    Raises:
        OSError: If ffmpeg fails, or the video cannot be read again.
        ValueError: If ffmpeg is not installed, or there are no pictures.
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
        # Closed so that the video's decoder ends on failure.
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
    """Yields a function that writes the next picture of a film."""
    import imageio_ffmpeg

    writer = imageio_ffmpeg.write_frames(
        str(path),
        film.size,
        fps=scene.fps / scene.frames.step,
        # Lower quality is visible at thin lines.
        quality=7,
        macro_block_size=2,
        ffmpeg_log_level="error",
        # Browsers can start playing before the download is complete.
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
    # The writer does not report if ffmpeg fails at the end.
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
            f"{path.name}: writing .mp4 requires ffmpeg; install it with pip "
            "install 'ampose_tf[video]', or use .gif or .html"
        ) from error


def _gif_frames(scene: Scene) -> tuple[range, str]:
    """Returns the frames that a GIF shows, and a remark on omitted ones."""
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
    # Nearly white colours of the palette would tint the background.
    colours = np.array(palette.getpalette()).reshape(-1, 3)
    colours[colours.min(axis=1) > 240] = 255
    palette.putpalette(colours.ravel().tolist())
    return palette


def _caption(scene, remark):
    parts = [remark] if remark else []
    if not scene.fps_known:
        parts.append(f"frame rate unknown, {ASSUMED_FPS:g} fps assumed")
    if not scene.placed:
        parts.append("positions not estimated")
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
