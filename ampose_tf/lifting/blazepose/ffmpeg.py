"""Runs ffmpeg on untrusted files, and probes videos.

The binary is the one installed with `imageio-ffmpeg`. It applies the file's
rotation; non-square pixels are stretched to squares.
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

# ffmpeg's names of video containers. Playlists, lists of files and devices are
# excluded, because they would open other files and addresses.
_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,"
    "h264,hevc,h263,av1,obu,ivf,flv,asf,gif,ogg,mxf,dv,nut,rm,vc1,wtv,"
    "yuv4mpegpipe"
)
# The time limit for the first picture, in seconds.
PROBE_S = 60
# Bytes of address space. ffmpeg needs 3.6 GB for 8K with high dynamic range on
# two processors, and more on more processors.
_MEMORY = 8 * 2**30
# Bytes of messages about the first picture.
_MOST_SAID = 2**20
_LONGEST_TIME = 100
_ALPHA = re.compile(r"rgba|argb|abgr|bgra|yuva|gbrap|ya8|ya16|pal8|ayuv")

# Titles and other texts from the file are in lines with other beginnings.
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
    """The encoding of a video's colours, in ffmpeg's names."""

    range: str = "unknown"
    matrix: str = "unknown"
    primaries: str = "unknown"
    transfer: str = "unknown"


class Probed(NamedTuple):
    """Properties of a video, from its headers and its first picture.

    Attributes:
        size: (width, height) of the pictures as displayed.
        first: Time of the first picture in the file, in seconds.
        seconds: Duration according to the file, or None.
        rates: Pictures per second according to the file: the mean rate, and
            ffmpeg's guess of the nominal rate.
        has_alpha: Whether pixels may be transparent.
        colours: Encoding of the colours.
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
        OSError: If ffmpeg is not installed.
    """
    try:
        import imageio_ffmpeg

        return imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        raise OSError(
            "reading videos requires ffmpeg; install it with pip install "
            "'ampose_tf[video]'"
        ) from error


def probe(path: str | os.PathLike) -> Probed:
    """Decodes the first picture of a video and returns its properties.

    Raises:
        OSError: If ffmpeg is not installed.
        ValueError: If no picture can be decoded.
    """
    timed, to_timed = os.pipe()
    try:
        command = [
            *input_of(path, "info"),
            # Threads may mix their output in one line, so two are requested.
            *("-frames:v", "2", "-vf", "showinfo@probe=checksum=0"),
            # 0:V excludes pictures attached to sound.
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
            f"{path}: ffmpeg needs more than {PROBE_S} s for the first picture"
            if is_late.is_set()
            else f"{path}: {_why_nothing(said)}"
        )
    wide, high = int(shown["wide"]), int(shown["high"])
    # Pixels that are not square are stretched to squares.
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
        ValueError: If it is too large. The message does not contain the path.
    """
    if math.prod(size) > MAX_PIXELS or max(size) > untrusted.MAX_PIXEL:
        raise ValueError(_too_large(size))


def started(
    command: Sequence[str], output: int, descriptors: Sequence[int]
) -> subprocess.Popen:
    """Starts ffmpeg, with a memory limit if the system supports it.

    Ctrl-C interrupts only this process, which then stops ffmpeg.

    Args:
        command: The program and its arguments.
        output: Argument `stdout` of `subprocess.Popen`.
        descriptors: Descriptors of additional pipes that ffmpeg writes to.
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
        # The process may have ended, or already have a lower limit.
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
        path: Path of the file. ffmpeg opens no other file.
        level: Lowest level of messages that are written: "error" or "info".
        seek: Arguments with the time at which to begin.

    Raises:
        OSError: If ffmpeg is not installed.
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
    """Returns arguments that write a line to a pipe for each picture.

    Args:
        name: Stream of the output.
        descriptor: Descriptor of the pipe.
        form: Format of the lines, see ffmpeg's `-stats_enc_pre_fmt`.
    """
    return [
        *("-map", name, "-fps_mode", "passthrough"),
        *("-stats_enc_pre", f"pipe:{descriptor}"),
        *("-stats_enc_pre_fmt", form),
    ]


def seconds(line: bytes) -> float:
    """Returns the time in "ticks numerator/denominator", NaN if missing.

    Args:
        line: Line written by `output` with the format "{ptsi} {tbi}".
    """
    found = _TIME.match(line)
    if found is None:
        return math.nan
    ticks, over, under = map(int, found.groups())
    # These values stand for a missing time.
    if abs(ticks) >= 2**63 - 1:
        return math.nan
    return ticks * over / max(1, under)


def is_error(line: str) -> bool:
    """Returns whether a line of ffmpeg's output is an error."""
    return "[error]" in line or "[fatal]" in line


def plain(line: str) -> str:
    """Returns an error message of ffmpeg without its prefixes."""
    text = re.split(r"\[(?:error|fatal)\] *", line)[-1]
    return reading.shown(text.strip().rstrip("."), 100)


def _in_seconds(hours, minutes, seconds):
    return 3600 * hours + 60 * minutes + seconds


def _too_large(size):
    return (
        f"a picture of {size[0]}x{size[1]} pixels; expected at most "
        f"{MAX_PIXELS} pixels, and {untrusted.MAX_PIXEL} per side"
    )


def _why_nothing(said):
    """Returns the reason why there is no picture, as a message."""
    size = re.search(
        r"size (\d{1,9})x(\d{1,9}) exceeds specified max pixel", said
    )
    if size:
        return _too_large(tuple(map(int, size.groups())))
    if "matches no streams" in said:
        return "it contains no video" + (
            ", only sound" if ": Audio: " in said else ""
        )
    if "Unrecognized option 'stats_enc_pre" in said:
        return "ffmpeg is older than 6.0; install a newer imageio-ffmpeg"
    if "Format not on whitelist" in said:
        return "a playlist or not a video; expected for example .mp4 or .webm"
    if "moov atom not found" in said:
        return "not a video, or a truncated one (moov atom not found)"
    # Prefer messages about causes to those about consequences.
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
        return "it contains no pictures"
    return f"ffmpeg decodes no picture: {counted.most_common(1)[0][0]}"
