"""Tiny videos, made by ffmpeg."""

import pathlib
import subprocess

import imageio_ffmpeg

# Red, green, blue and white quarters, which a turn moves, and a number of
# frames.
QUARTERS = (
    "color=red:s={0}x{1}:r=25:d=0.4[a];color=lime:s={0}x{1}:r=25:d=0.4[b];"
    "color=blue:s={0}x{1}:r=25:d=0.4[c];color=white:s={0}x{1}:r=25:d=0.4[d];"
    "[a][b]hstack[e];[c][d]hstack[f];[e][f]vstack"
)
SOUND = "sine=duration=0.4"


def run(*arguments) -> None:
    """Runs ffmpeg, quietly."""
    subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *arguments],
        check=True,
        stdin=subprocess.DEVNULL,
    )


def quarters(
    path: pathlib.Path, *arguments, size=(32, 18), filters="null"
) -> pathlib.Path:
    """Writes a clip of ten frames at 25 a second, of twice the size given."""
    graph = f"{QUARTERS.format(*size)},{filters}"
    run("-filter_complex", graph, *arguments, str(path))
    return path
