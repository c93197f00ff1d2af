"""Decodes pictures of a video with ffmpeg, one at a time, with their times.

Pictures are read from one pipe, and their numbers and times from two separate
pipes.
"""

import array
import bisect
import collections
import contextlib
import functools
import io
import math
import os
import selectors
import subprocess
import time
from collections.abc import Iterator

import numpy as np

from ampose_tf import interrupts
from ampose_tf.lifting import untrusted
from ampose_tf.lifting.blazepose import ffmpeg

# The largest trusted step in seconds between a frame's time and the latest
# time before it.
MOST_GAP_S = 600
# Seconds that ffmpeg may write nothing, for example while it decodes up to the
# start in a file without seeking.
_STALL_S = 300
# Seconds after which signals are checked.
_POLL_S = 0.5
_CHUNK, _LONGEST_LINE = 2**16, 4096
# Messages about damage that are kept; there may be one per block of a frame.
_MOST_FAULTS = 20
_HDR = ("smpte2084", "arib-std-b67")


class Decoder(contextlib.AbstractContextManager):
    """Iterator over the pictures of a video.

    Args:
        path: Path of the file.
        probed: Result of `ffmpeg.probe` for the file.
        start: Time of the first picture to decode, in seconds from the
            video's first picture.
        every: Every n-th picture is decoded to pixels.
        size: (width, height) of the pictures.

    Attributes:
        times: Times of all pictures so far, including those that are skipped,
            in seconds from the video's first picture; NaN if the file
            contains no time, or if the time differs by more than `MOST_GAP_S`
            from those before.
        untrusted_times: Number of times that differ by more, and the time of
            the picture before the first of them.
        is_cut: Whether decoding has ended before pictures with numbers above
            `untrusted.MAX_FRAME`.
        faults: ffmpeg's messages about damage: (seconds, sentence).

    Raises:
        OSError: If ffmpeg is not installed.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        probed: ffmpeg.Probed,
        start: float,
        every: int,
        size: tuple[int, int],
    ):
        self.times = array.array("d")
        self.untrusted_times = (0, 0.0)
        self.is_cut = self._is_stopped = False
        # Whether ffmpeg has passed the picture `untrusted.MAX_FRAME`.
        self._is_beyond = False
        self.faults = []
        self._size = size
        # ffmpeg drops earlier pictures, and its times begin here.
        self._begin, seek = -probed.first, []
        if start > 0:
            self._begin = start
            seek = ["-ss", f"{probed.first + start:.6f}"]
        self._start = self._latest = start
        # ffmpeg's numbers of all pictures, and of those that are decoded to
        # pixels and not yet yielded.
        self._numbers = array.array("q")
        self._kept = collections.deque()
        command = ffmpeg.input_of(path, "error", seek)
        (kept, to_kept), (timed, to_timed) = os.pipe(), os.pipe()
        command += [
            *("-filter_complex", _graph(probed, every, size)),
            *ffmpeg.output("[pictures]", to_kept, "{ni}"),
            *("-f", "rawvideo", "pipe:1"),
            *ffmpeg.output("[times]", to_timed, "{ni} {ptsi} {tbi}"),
            *("-f", "null", "-"),
        ]
        try:
            self._process = ffmpeg.started(
                command, subprocess.PIPE, (to_kept, to_timed)
            )
        except BaseException:
            os.close(kept)
            os.close(timed)
            raise
        finally:
            os.close(to_kept)
            os.close(to_timed)
        self._pictures = self._process.stdout
        self._readers = {
            self._process.stderr: self._note,
            io.FileIO(kept): self._keep,
            io.FileIO(timed): self._time,
        }
        # Incomplete lines.
        self._begun = dict.fromkeys(self._readers, b"")
        self._open = selectors.DefaultSelector()
        for stream in self._readers:
            self._open.register(stream, selectors.EVENT_READ)

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._open.close()
        for stream in (self._pictures, *self._readers):
            stream.close()

    def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yields the index in `times` and the pixels, (H, W, 3) uint8 in RGB.

        Raises:
            Interrupted: If a signal arrives while waiting for a picture.
        """
        width, height = self._size
        while True:
            pixels = np.empty((height, width, 3), np.uint8)
            if not self._fill(memoryview(pixels.reshape(-1))):
                break
            yield (
                bisect.bisect(self._numbers, self._kept.popleft()) - 1,
                pixels,
            )
        status = self._process.wait()
        if status < 0 and not self._is_stopped:
            self.faults.append((self._latest, f"ended by signal {-status}"))

    def _fill(self, rest):
        """Reads the next picture; returns whether it is complete."""
        self._open.register(self._pictures, selectors.EVENT_READ)
        begun = heard = time.monotonic()
        while rest or not self._has_time():
            is_open = bool(self._open.get_map())
            # Pictures with smaller numbers may arrive after all times.
            if self._is_beyond and (
                not is_open
                or (self._kept and self._kept[0] > self._numbers[-1])
            ):
                self.is_cut = True
                self._stop()
                return False
            if not is_open:
                return False
            for key, _ in self._open.select(_POLL_S):
                stream = key.fileobj
                if stream is self._pictures:
                    count = stream.readinto(rest)
                    rest = rest[count:]
                else:
                    count = self._read(stream)
                if not count or (stream is self._pictures and not rest):
                    self._open.unregister(stream)
                if stream is not self._process.stderr:
                    heard = time.monotonic()
            now = time.monotonic()
            if now - begun > _POLL_S:
                interrupts.check()
            if now - heard > _STALL_S:
                what = f"no output for {_STALL_S} s"
                self.faults.insert(0, (self._latest, what))
                self._stop()
                return False
        return True

    def _has_time(self):
        """Returns whether the time of the next picture has arrived."""
        return (
            self._kept and self._numbers and self._kept[0] <= self._numbers[-1]
        )

    def _read(self, stream):
        """Reads available output; returns the number of bytes."""
        content = stream.read(_CHUNK)
        *lines, begun = (self._begun[stream] + content).split(b"\n")
        self._begun[stream] = begun[-_LONGEST_LINE:]
        for line in lines:
            self._readers[stream](line)
        return len(content)

    def _note(self, line):
        if self._is_beyond:
            return
        line = line[:_LONGEST_LINE].decode("utf-8", "replace")
        if ffmpeg.is_error(line) and len(self.faults) < _MOST_FAULTS:
            self.faults.append((self._latest, ffmpeg.plain(line)))

    def _keep(self, line):
        self._kept.append(int(line))

    def _time(self, line):
        if len(self.times) > untrusted.MAX_FRAME:
            self._is_beyond = True
            return
        number, _, at = line.partition(b" ")
        seconds = self._begin + ffmpeg.seconds(at)
        gap = seconds - self._latest
        # Pictures before the start are not shown.
        is_shown = seconds >= self._start or self._start == 0
        if gap > MOST_GAP_S or (gap < -MOST_GAP_S and is_shown):
            count, when = self.untrusted_times
            self.untrusted_times = (count + 1, when if count else self._latest)
            seconds = math.nan
        elif gap > 0:
            self._latest = seconds
        self._numbers.append(int(number))
        self.times.append(seconds)

    def _stop(self):
        self._is_stopped = True
        self._process.kill()


def _graph(probed, every, size):
    """Returns a filter graph with outputs for all times and some pictures."""
    filters = []
    if every > 1:
        filters.append(f"select='not(mod(n,{every}))'")
    if probed.has_alpha:
        # Transparent pixels become black.
        filters += ["format=gbrap", "premultiply=inplace=1"]
    colours = probed.colours
    if colours.transfer in _HDR and _has_tone_mapping():
        usual = {
            "range": ("range", "tv"),
            "matrix": ("colorspace", "bt2020nc"),
            "primaries": ("color_primaries", "bt2020"),
        }
        filters += [
            # Properties missing from the file have their usual values.
            f"setparams={name}={value}"
            for field, (name, value) in usual.items()
            if getattr(colours, field) in ("unknown", "reserved")
        ]
        filters += [
            f"zscale=tin={colours.transfer}:t=linear:npl=100",
            "format=gbrpf32le",
            "zscale=p=bt709",
            "tonemap=hable:desat=0",
            "zscale=t=bt709:m=bt709:r=pc",
            "format=yuv444p",
        ]
    width, height = size
    filters += [f"scale={width}:{height}", "format=rgb24"]
    # Outputs have their own times, which always increase.
    return (
        f"[0:V:0]setpts=N,split[all][times];[all]{','.join(filters)}[pictures]"
    )


@functools.cache
def _has_tone_mapping():
    listed = subprocess.run(
        [ffmpeg.executable(), "-hide_banner", "-filters"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        timeout=ffmpeg.PROBE_S,
        check=False,
    ).stdout.split()
    return {"zscale", "tonemap"} <= set(listed)
