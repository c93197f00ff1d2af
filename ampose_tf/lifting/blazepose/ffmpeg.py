"""Runs ffmpeg on a file from a stranger, and asks what a video is like.

The binary is the one that `imageio-ffmpeg` brings. It applies what a file
says of its rotation and of the shape of its pixels.
"""

import collections
import contextlib
import io
import math
import os
import re
import subprocess
import threading
from collections.abc import Sequence
from typing import NamedTuple

from ampose_tf import reading
from ampose_tf.lifting import untrusted

try:
    import resource
except ImportError:  # Not a POSIX system.
    resource = None

# Pixels of a picture: twice those of 8K.
MAX_PIXELS = 2**26

# Containers of videos, by ffmpeg's names. Playlists, lists of files and
# devices are none: they would open other files and addresses.
_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,"
    "h264,hevc,h263,av1,obu,ivf,flv,asf,gif,ogg,mxf,dv,nut,rm,vc1,wtv,"
    "yuv4mpegpipe"
)
# Seconds that it may take for the first picture.
PROBE_S = 60
# Bytes of address space: ffmpeg takes 3.6 GB for 8K in high dynamic range on
# two processors, and more on more.
_MEMORY = 8 * 2**30
# Bytes of messages about the first picture.
_MOST_SAID = 2**20
_LONGEST_TIME = 100
_ALPHA = re.compile(r"rgba|argb|abgr|bgra|yuva|gbrap|ya8|ya16|pal8|ayuv")

# Titles, and other texts of the file, stand in lines that begin otherwise.
_SHOWN = re.compile(
    r"^\[showinfo@probe @ 0x[0-9a-f]+\] \[info\] n: .* fmt:(?P<format>\w+) .*"
    r"sar:(?P<wide>\d{1,9})/(?P<high>\d{1,9}) "
    r"s:(?P<width>\d{1,9})x(?P<height>\d{1,9}) ",
    re.MULTILINE,
)
_COLOURS = re.compile(
    r"^\[showinfo@probe @ 0x[0-9a-f]+\] \[info\] color_range:(\S+) "
    r"color_space:(\S+) color_primaries:(\S+) color_trc:(\S+)",
    re.MULTILINE,
)
_DURATION = re.compile(
    r"^\[info\]   Duration: (\d{1,6}):(\d\d):(\d\d\.\d+)", re.MULTILINE
)
_STREAM = re.compile(r"^\[info\]   Stream #0:\d.*: Video: .*$", re.MULTILINE)
_RATE = re.compile(r", (\d{1,6}(?:\.\d{1,3})?) (?:fps|tbr)")
_TIME = re.compile(rb"(-?\d{1,20}) (\d{1,10})/(\d{1,10})")


class Colours(NamedTuple):
    """How a video's colours are coded, by ffmpeg's names."""

    range: str = "unknown"
    matrix: str = "unknown"
    primaries: str = "unknown"
    transfer: str = "unknown"


class Probed(NamedTuple):
    """What the first picture of a video says of all.

    Attributes:
        size: (width, height) of the pictures, as they are to be seen.
        first: Seconds from the file's beginning to the first picture.
        seconds: How long the file says that it is, or None.
        rates: Pictures a second that the file says: their mean, and what
            ffmpeg takes for the rate that is meant.
        has_alpha: Whether pixels may be transparent.
        colours: How its colours are coded.
    """

    size: tuple[int, int]
    first: float
    seconds: float | None
    rates: tuple[float, ...]
    has_alpha: bool
    colours: Colours


def executable() -> str:
    """Returns the path of ffmpeg.

    Raises:
        OSError: If there is none.
    """
    try:
        import imageio_ffmpeg

        return imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        raise OSError(
            "a video needs ffmpeg: pip install 'ampose_tf[video]' brings one"
        ) from error


def probe(path: str | os.PathLike) -> Probed:
    """Decodes the first picture of a video.

    Raises:
        OSError: If there is no ffmpeg.
        ValueError: If there is no picture that can be decoded.
    """
    timed, to_timed = os.pipe()
    try:
        command = [
            *input_of(path, "info"),
            # Lines of several threads may be in one: there are two.
            *("-frames:v", "2", "-vf", "showinfo@probe=checksum=0"),
            # A picture that is attached to sound is no video.
            *output("0:V:0", to_timed, "{ptsi} {tbi}"),
            *("-f", "null", "-"),
        ]
        process = started(command, subprocess.DEVNULL, (to_timed,))
    except BaseException:
        os.close(timed)
        raise
    finally:
        os.close(to_timed)
    is_late = threading.Event()

    def end():
        is_late.set()
        process.kill()

    late = threading.Timer(PROBE_S, end)
    late.start()
    try:
        with io.BufferedReader(process.stderr) as stream:
            said = stream.read(_MOST_SAID)
    finally:
        late.cancel()
        process.kill()
        process.wait()
        with open(timed, "rb") as stream:
            times = stream.readline(_LONGEST_TIME)
    said = said.decode("utf-8", "replace")
    shown = _SHOWN.search(said)
    if shown is None:
        raise ValueError(
            f"{path}: ffmpeg takes more than {PROBE_S} s for its first picture"
            if is_late.is_set()
            else f"{path}: {_why_nothing(said)}"
        )
    wide, high = int(shown["wide"]), int(shown["high"])
    # Pixels that are not square are stretched.
    aspect = wide / high if wide and high else 1.0
    size = (
        max(1, round(int(shown["width"]) * max(aspect, 1.0))),
        max(1, round(int(shown["height"]) / min(aspect, 1.0))),
    )
    try:
        check_size(size)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    first = seconds(times)
    duration, stream = _DURATION.search(said), _STREAM.search(said)
    rates = _RATE.findall(stream[0]) if stream else ()
    colours = _COLOURS.search(said)
    return Probed(
        size,
        0.0 if math.isnan(first) else first,
        duration and _in_seconds(*map(float, duration.groups())),
        tuple(rate for rate in map(float, dict.fromkeys(rates)) if rate > 0),
        bool(_ALPHA.match(shown["format"])),
        Colours(*colours.groups()) if colours else Colours(),
    )


def check_size(size: tuple[int, int]) -> None:
    """Checks the size of a picture before it is decoded.

    Raises:
        ValueError: If it is too large. The message does not name the file.
    """
    if math.prod(size) > MAX_PIXELS or max(size) > untrusted.MAX_PIXEL:
        raise ValueError(_too_large(size))


def started(
    command: Sequence[str], output: int, descriptors: Sequence[int]
) -> subprocess.Popen:
    """Starts ffmpeg, with a limit of memory where the system has one.

    Ctrl-C is for this process, which ends ffmpeg.

    Args:
        command: The program and its arguments.
        output: What `subprocess.Popen` takes for standard output.
        descriptors: Pipes that it writes to beside.
    """
    process = subprocess.Popen(
        command,
        bufsize=0,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.PIPE,
        start_new_session=True,
        pass_fds=descriptors,
    )
    if hasattr(resource, "prlimit"):
        # It may have ended, or be allowed less already.
        with contextlib.suppress(OSError, ValueError):
            resource.prlimit(
                process.pid, resource.RLIMIT_AS, (_MEMORY, _MEMORY)
            )
    return process


def input_of(
    path: str | os.PathLike, level: str, seek: Sequence[str] = ()
) -> list[str]:
    """Returns the beginning of a command that reads a file.

    Args:
        path: Path of the file, the only one that is opened.
        level: Messages down to which are written: "error" or "info".
        seek: Arguments that say where to begin.

    Raises:
        OSError: If there is no ffmpeg.
    """
    place = b"file:" + os.path.abspath(os.fsencode(path))
    return [
        *(executable(), "-nostdin", "-hide_banner", "-nostats"),
        *("-loglevel", f"level+{level}"),
        *("-protocol_whitelist", "file"),
        *("-format_whitelist", _CONTAINERS),
        *("-max_pixels", str(MAX_PIXELS)),
        *seek,
        *("-i", os.fsdecode(place)),
    ]


def output(name: str, descriptor: int, form: str) -> list[str]:
    """Returns what writes a line for each picture of an output to a pipe.

    Args:
        name: The output's stream.
        descriptor: The pipe.
        form: What is in the line, see ffmpeg's `-stats_enc_pre_fmt`.
    """
    return [
        *("-map", name, "-fps_mode", "passthrough"),
        *("-stats_enc_pre", f"pipe:{descriptor}"),
        *("-stats_enc_pre_fmt", form),
    ]


def seconds(line: bytes) -> float:
    """Returns the time in "ticks numerator/denominator"; NaN if it has none.

    Args:
        line: As `output` has it written by "{ptsi} {tbi}".
    """
    found = _TIME.match(line)
    if found is None:
        return math.nan
    ticks, over, under = map(int, found.groups())
    # These say that there is none.
    if abs(ticks) >= 2**63 - 1:
        return math.nan
    return ticks * over / max(1, under)


def is_error(line: str) -> bool:
    """Returns whether a line of ffmpeg's says what is wrong."""
    return "[error]" in line or "[fatal]" in line


def plain(line: str) -> str:
    """Returns a line of ffmpeg's without the names of its parts."""
    text = re.split(r"\[(?:error|fatal)\] *", line)[-1]
    return reading.shown(text.strip().rstrip("."), 100)


def _in_seconds(hours, minutes, seconds):
    return 3600 * hours + 60 * minutes + seconds


def _too_large(size):
    return (
        f"a picture of {size[0]}x{size[1]} pixels; at most {MAX_PIXELS} "
        f"pixels are read, and {untrusted.MAX_PIXEL} a side"
    )


def _why_nothing(said):
    """Returns why there is no picture, in words."""
    size = re.search(
        r"size (\d{1,9})x(\d{1,9}) exceeds specified max pixel", said
    )
    if size:
        return _too_large(tuple(map(int, size.groups())))
    if "matches no streams" in said:
        return "no video in it" + (
            ", only sound" if ": Audio: " in said else ""
        )
    if "Unrecognized option 'stats_enc_pre" in said:
        return "ffmpeg is older than 6.0; imageio-ffmpeg brings a newer one"
    if "Format not on whitelist" in said:
        return "a playlist or no video; expected a file such as .mp4 or .webm"
    if "moov atom not found" in said:
        return "no video, or one that is cut short (moov atom not found)"
    # Those that say what was found rather than what became of it.
    faults = [plain(line) for line in said.splitlines() if is_error(line)]
    telling = [
        line
        for line in faults
        if not re.search(
            r"(?i)error opening|terminating thread|task finished|nothing was "
            r"written|error while filtering|not detecting",
            line,
        )
    ]
    counted = collections.Counter(telling or faults)
    if not counted:
        return "no picture in it"
    return f"ffmpeg decodes no picture of it: {counted.most_common(1)[0][0]}"
