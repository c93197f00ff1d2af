"""Videos by ffmpeg: one picture at a time, with the times they have.

The binary that `imageio-ffmpeg` brings writes pictures to one pipe and, by
its filter `showinfo`, their times to another. It applies what a file says of
its rotation and of the shape of its pixels.
"""

import collections
import contextlib
import functools
import math
import os
import queue
import re
import subprocess
import threading
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ampose_tf import reading

# Of a picture: twice those of 8K.
MAX_PIXELS = 2**26

# Containers of videos, by ffmpeg's names. Playlists, lists of files and
# devices are none: they would open other files and addresses.
_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,"
    "h264,hevc,h263,av1,obu,ivf,flv,asf,gif,ogg,mxf,dv,nut,mjpeg,rm,vc1,wtv,"
    "yuv4mpegpipe,apng"
)
# Of the first picture: seconds, and bytes of messages.
_PROBE_S, _MOST_SAID = 60, 2**20
_LONGEST_LINE = 4096
# Lines about damage that are kept; there is one for each block of a frame.
_MOST_FAULTS = 20
_ALPHA = re.compile(r"rgba|argb|abgr|bgra|yuva|gbrap|ya8|ya16|pal8|ayuv")
_HDR = ("smpte2084", "arib-std-b67")


_SHOWN = re.compile(r"\[showinfo@(all|kept) [^]]*\].* pts:\s*(-?\d+|NOPTS)")

_SHOWS = re.compile(r"\[showinfo@.*( pts:| color_range:)")
_SHOWN_PARTS = re.compile(r"\[showinfo@[^]]*\] \[info\]|\b\w+: *\S+")
# Seconds that the time of a picture may be after the picture.
_LATE_S = 10


class Probed(NamedTuple):
    """What the first picture of a video says of all.

    Attributes:
        size: (width, height) of the pictures, as they are to be seen.
        first: Seconds from the file's beginning to the first picture.
        seconds: How long the file says that it is, or None.
        rates: Pictures a second that the file says: their mean, and what
            ffmpeg takes for the rate that is meant.
        has_alpha: Whether pixels may be transparent.
        transfer: Of its colours, by ffmpeg's name.
    """

    size: tuple[int, int]
    first: float
    seconds: float | None
    rates: tuple[float, ...]
    has_alpha: bool
    transfer: str


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
    command = [
        *_input(path),
        *("-frames:v", "1", "-vf", "showinfo=checksum=0", "-f", "null", "-"),
    ]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    late = threading.Timer(_PROBE_S, process.kill)
    late.start()
    try:
        with process.stderr as stream:
            said = stream.read(_MOST_SAID).decode("utf-8", "replace")
    finally:
        late.cancel()
        process.kill()
        process.wait()
    said = said.splitlines()
    shown = next((line for line in said if " pts_time:" in line), None)
    streams = [
        line for line in said if re.search(r"Stream #.*: Video: ", line)
    ]
    if shown is None:
        raise ValueError(f"{path}: {_why_nothing(said)}")
    stream = streams[0] if streams else ""
    width, height = map(int, re.search(r" s:(\d+)x(\d+)", shown).groups())
    wide, high = map(int, re.search(r" sar:(\d+)/(\d+)", shown).groups())
    # Pixels that are not square are stretched.
    aspect = wide / high if wide and high else 1.0
    size = (
        max(1, round(width * max(aspect, 1.0))),
        max(1, round(height / min(aspect, 1.0))),
    )
    if math.prod(size) > MAX_PIXELS:
        raise ValueError(f"{path}: {_too_large(size)}")
    first = _ticks(shown) * next(filter(None, map(_tick, said)), math.nan)
    duration = re.search(r"Duration: (\d+):(\d+):(\d+\.\d+)", "\n".join(said))
    rates = re.findall(r", (\d+(?:\.\d+)?) (?:fps|tbr)", stream)
    transfer = re.search(r"color_trc:(\S+)", "\n".join(said))
    return Probed(
        size,
        0.0 if math.isnan(first) else first,
        duration and _in_seconds(*map(float, duration.groups())),
        tuple(rate for rate in map(float, dict.fromkeys(rates)) if rate > 0),
        bool(_ALPHA.match(re.search(r" fmt:(\S+)", shown)[1])),
        transfer[1] if transfer else "unknown",
    )


class Decoder(contextlib.AbstractContextManager):
    """Pictures of a video, one after the other.

    Args:
        path: Path of the file.
        probed: What `probe` says of it.
        start: Seconds from the first picture on to begin at.
        every: Each how many-th picture is decoded to pixels.
        size: (width, height) of the pictures.

    Attributes:
        times: Seconds from the first picture on, of all pictures up to now,
            also of those in between; NaN where the file does not say.
        faults: What ffmpeg has said of damage: (seconds, sentence).

    Raises:
        OSError: If there is no ffmpeg.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        probed: Probed,
        start: float,
        every: int,
        size: tuple[int, int],
    ):
        self.times = []
        self.faults = []
        self._kept = queue.SimpleQueue()
        self._size = size
        # What is before it, ffmpeg drops; and times begin there.
        begin, seek = -probed.first, []
        if start > 0:
            begin, seek = start, ["-ss", f"{probed.first + start:.6f}"]
        command = [
            *_input(path, seek),
            "-vf",
            _filters(probed, every, size),
            *("-fps_mode", "passthrough"),
            *("-f", "image2pipe", "-c:v", "ppm", "pipe:1"),
        ]
        # A Ctrl-C is for this process, which ends ffmpeg.
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._listener = threading.Thread(
            target=self._listen, args=(begin,), daemon=True
        )
        self._listener.start()

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._listener.join()
        self._process.stdout.close()
        self._process.stderr.close()

    def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yields the index in `times` and (H, W, 3) uint8, as RGB."""
        index = -1
        while (picture := self._picture()) is not None:
            try:
                index = self._kept.get(timeout=_LATE_S)
            except queue.Empty:  # Lost in other lines.
                index = min(index + 1, len(self.times) - 1)
            yield index, picture
        self._listener.join()
        status = self._process.wait()
        if status < 0:
            self.faults.append((self._last(), f"ended by signal {-status}"))

    def _picture(self):
        """Returns the next one; None at the end, or of one cut short."""
        stream = self._process.stdout
        if stream.readline(3) != b"P6\n":
            return None
        width, height = map(int, stream.readline(32).split())
        stream.readline(8)
        pixels = np.empty((height, width, 3), np.uint8)
        if stream.readinto(pixels.reshape(-1).data) < pixels.size:
            return None
        return pixels

    def _listen(self, begin):
        stream, tick = self._process.stderr, math.nan
        while content := stream.readline(_LONGEST_LINE):
            line = content.decode("utf-8", "replace")
            # Lines of several threads may be in one: each is looked for.
            for which, ticks in _SHOWN.findall(line):
                if which == "all":
                    time = math.nan if ticks == "NOPTS" else int(ticks) * tick
                    self.times.append(begin + time)
                else:
                    self._kept.put(len(self.times) - 1)
            if " config in time_base:" in line:
                tick = _tick(line)
            # Within such a line, another has no beginning of its own.
            within = ""
            if _SHOWS.search(line):
                within = _SHOWN_PARTS.sub("", line).strip()
            is_fault = within or _is_error(line)
            if is_fault and len(self.faults) < _MOST_FAULTS:
                self.faults.append((self._last(), _plain(within or line)))

    def _last(self):
        return self.times[-1] if self.times else 0.0


def _input(path, seek=()):
    """Returns the beginning of a command that reads the video of a file."""
    place = b"file:" + os.path.abspath(os.fsencode(path))
    return [
        *(executable(), "-nostdin", "-hide_banner", "-nostats"),
        *("-loglevel", "level+info"),
        *("-protocol_whitelist", "file,pipe"),
        *("-format_whitelist", _CONTAINERS),
        *("-max_pixels", str(MAX_PIXELS)),
        *seek,
        *("-i", os.fsdecode(place)),
        # A picture that is attached to sound is no video.
        *("-map", "0:V:0"),
    ]


def _filters(probed, every, size):
    filters = ["showinfo@all=checksum=0"]
    if every > 1:
        filters.append(f"select='not(mod(n,{every}))'")
    filters.append("showinfo@kept=checksum=0")
    if probed.has_alpha:
        # What is transparent is black.
        filters += ["format=gbrap", "premultiply=inplace=1"]
    if probed.transfer in _HDR and _has_tone_mapping():
        filters += [
            f"zscale=tin={probed.transfer}:t=linear:npl=100",
            "format=gbrpf32le",
            "zscale=p=bt709",
            "tonemap=hable:desat=0",
            "zscale=t=bt709:m=bt709:r=pc",
            "format=yuv444p",
        ]
    width, height = size
    return ",".join([*filters, f"scale={width}:{height}", "format=rgb24"])


@functools.cache
def _has_tone_mapping():
    listed = subprocess.run(
        [executable(), "-hide_banner", "-filters"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        timeout=_PROBE_S,
        check=False,
    ).stdout.split()
    return {"zscale", "tonemap"} <= set(listed)


def _tick(line):
    """Returns the unit of times that `showinfo` says, in seconds, or None."""
    found = re.search(r"config in time_base: (\d+)/(\d+)", line)
    return int(found[1]) / max(1, int(found[2])) if found else None


def _ticks(line):
    """Returns the time in a line of `showinfo`; NaN if it has none."""
    # The time in seconds beside it is rounded to six digits.
    found = re.search(r" pts:\s*(-?\d+)", line)
    return int(found[1]) if found else math.nan


def _in_seconds(hours, minutes, seconds):
    return 3600 * hours + 60 * minutes + seconds


def _is_error(line):
    return "[error]" in line or "[fatal]" in line


def _plain(line):
    """Returns a line of ffmpeg's without the names of its parts."""
    text = re.split(r"\[(?:error|fatal)\] *", line)[-1]
    return reading.shown(text.strip().rstrip("."), 100)


def _too_large(size):
    return (
        f"pictures of {size[0]}x{size[1]} pixels; at most {MAX_PIXELS} "
        "pixels are read"
    )


def _why_nothing(said):
    """Returns why there is no picture, in words."""
    text = "\n".join(said)
    size = re.search(r"size (\d+)x(\d+) exceeds specified max pixel", text)
    if size:
        return _too_large(tuple(map(int, size.groups())))
    if "matches no streams" in text:
        return "no video in it" + (
            ", only sound" if ": Audio: " in text else ""
        )
    if "Format not on whitelist" in text:
        return "a playlist or no video; expected a file such as .mp4 or .webm"
    if "moov atom not found" in text:
        return "no video, or one that is cut short (moov atom not found)"
    # Those that say what was found rather than what became of it.
    faults = [_plain(line) for line in said if _is_error(line)]
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
