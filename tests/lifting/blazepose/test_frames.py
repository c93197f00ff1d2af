"""Pictures of videos and folders, as they are to be seen, and when."""

import io
import math
import os
import signal
import socket
import struct
import sys
import threading
import weakref
import zlib

import numpy as np
import pytest
from PIL import Image

from ampose_tf import interrupts
from ampose_tf.lifting import untrusted
from ampose_tf.lifting.blazepose import decoder, ffmpeg, frames
from tests.filmed_clips import SOUND, quarters, run

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255,) * 3
# Two seconds at 25 a second, with a key frame in ten.
PATTERN = (
    *("-f", "lavfi", "-i", "testsrc2=s=128x72:r=25:d=2", "-c:v"),
    *("libx264", "-g", "10", "-pix_fmt", "yuv420p"),
)
LOSSLESS = ("-c:v", "ffv1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="module")
def clip(folder):
    """64 x 36 pixels, ten frames at 25 a second, as phones write it."""
    return quarters(
        folder / "clip.mp4",
        *("-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", "4"),
        *("-movflags", "+faststart"),
    )


def read(path, **options):
    """Returns the size, the pictures, times, and notes."""
    with frames.opened(path, **options) as opened:
        pictures = list(opened)
        return opened.size, pictures, opened.times, opened.notes()


def corners(picture):
    """Returns the colours a quarter into the picture from each corner."""
    height, width, _ = picture.pixels.shape
    rows, columns = (height // 4, -height // 4), (width // 4, -width // 4)
    return [picture.pixels[r, c].tolist() for r in rows for c in columns]


def assert_colours(picture, expected, within=12):
    np.testing.assert_allclose(corners(picture), expected, atol=within)


def test_pictures_and_times_of_a_clip(clip):
    size, pictures, times, notes = read(clip)
    assert size == (64, 36) and notes == []
    assert [p.index for p in pictures] == list(range(10))
    np.testing.assert_allclose(times, np.arange(10) / 25, atol=1e-9)
    for picture in pictures:
        assert picture.pixels.shape == (36, 64, 3)
        assert picture.pixels.dtype == np.uint8
        assert_colours(picture, [RED, GREEN, BLUE, WHITE])


def test_a_part_and_some_of_its_pictures(clip):
    """From 0.1 s on, the frames are 3 to 7: 0.12, 0.16, … 0.28 s."""
    _, pictures, times, _ = read(clip, start=0.1, end=0.3, every=2)
    shown = [times[p.index] for p in pictures]
    np.testing.assert_allclose(shown, [0.12, 0.20, 0.28], atol=1e-6)
    with pytest.raises(ValueError, match=r"no frame from 7 s on; .* 0\.40 s"):
        read(clip, start=7)
    for wrong in ({"start": -1}, {"start": 2, "end": 1}, {"every": 0}):
        with pytest.raises(ValueError, match="expected"):
            frames.opened(clip, **wrong)


def test_pictures_are_shrunk_on_request(clip):
    size, pictures, *_ = read(clip, longest=32, every=9)
    assert size == (32, 18)
    assert [p.pixels.shape for p in pictures] == 2 * [(18, 32, 3)]
    assert_colours(pictures[1], [RED, GREEN, BLUE, WHITE], within=25)
    assert read(clip, longest=100, every=9)[0] == (64, 36)


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [
        # As they turn against the clock.
        ("90", [GREEN, WHITE, RED, BLUE]),
        ("180", [WHITE, BLUE, GREEN, RED]),
    ],
)
def test_what_a_file_says_of_its_rotation(clip, folder, degrees, expected):
    turned = folder / f"turned{degrees}.mp4"
    run(
        *("-display_rotation:v:0", degrees, "-i", str(clip), "-c", "copy"),
        str(turned),
    )
    size, pictures, *_ = read(turned, every=9)
    assert size == ((36, 64) if degrees == "90" else (64, 36))
    assert_colours(pictures[1], expected)


def test_times_of_a_variable_rate(folder):
    """Frames 0, 1, 3, 4, 7 of 25 a second, and nothing in between."""
    path = quarters(
        folder / "variable.mkv",
        *LOSSLESS,
        *("-fps_mode", "passthrough"),
        filters="select='eq(n,0)+eq(n,1)+eq(n,3)+eq(n,4)+eq(n,7)'",
    )
    _, pictures, times, _ = read(path)
    assert len(pictures) == 5
    # Matroska's are in milliseconds.
    np.testing.assert_allclose(times, [0, 0.04, 0.12, 0.16, 0.28], atol=1e-3)


@pytest.mark.parametrize(
    ("name", "size", "arguments", "filters", "expected"),
    [
        ("ten.mkv", (32, 18), ("-pix_fmt", "yuv420p10le"), "null", (64, 36)),
        # An odd size.
        ("odd.mkv", (32, 18), (), "crop=63:35:0:0:exact=1", (63, 35)),
        # Pixels twice as wide as high, and the other way round.
        ("wide.mkv", (32, 18), (), "setsar=2", (128, 36)),
        ("high.mkv", (32, 18), (), "setsar=1/2", (64, 72)),
        # 5 seconds and a tenth into a stream of television.
        (
            "late.ts",
            (32, 18),
            ("-c:v", "mpeg2video", "-q:v", "1", "-output_ts_offset", "5.1"),
            "null",
            (64, 36),
        ),
    ],
)
def test_forms(folder, name, size, arguments, filters, expected):
    path = quarters(
        folder / name, *LOSSLESS, *arguments, size=size, filters=filters
    )
    shown, pictures, times, notes = read(path)
    assert shown == expected and notes == []
    assert pictures[0].pixels.shape == (expected[1], expected[0], 3)
    # Streams have their times in 90,000ths, Matroska in thousandths.
    np.testing.assert_allclose(times, np.arange(10) / 25, atol=1e-3)
    assert_colours(pictures[-1], [RED, GREEN, BLUE, WHITE], within=25)


@pytest.mark.parametrize(
    ("tags", "within"),
    [
        (
            "color_trc=smpte2084:color_primaries=bt2020:colorspace=bt2020nc:"
            "range=tv",
            (140, 250),
        ),
        # What the file does not say is usual.
        ("color_trc=smpte2084", (140, 250)),
        ("color_trc=arib-std-b67:colorspace=bt2020nc:range=tv", (60, 140)),
    ],
)
def test_high_dynamic_range_is_brought_to_the_screens(folder, tags, within):
    """Half of PQ's signal is 92 candela, about white on paper."""
    path = folder / "hdr.mkv"
    run(
        *("-f", "lavfi", "-i", "color=0x808080:s=32x18:r=25:d=0.08"),
        *("-vf", f"format=yuv420p10le,setparams={tags}"),
        *LOSSLESS,
        str(path),
    )
    _, pictures, _, notes = read(path)
    assert within[0] < pictures[0].pixels.mean() < within[1]
    assert len(pictures) == 2 and notes == []


def test_what_is_transparent_is_black(folder):
    path = quarters(
        folder / "alpha.mov",
        *("-c:v", "png", "-pix_fmt", "rgba"),
        filters="format=rgba,geq=r='r(X,Y)':g='g(X,Y)':b='b(X,Y)'"
        ":a='255*lt(X,32)'",
    )
    _, pictures, *_ = read(path, every=9)
    assert_colours(pictures[0], [RED, (0, 0, 0), BLUE, (0, 0, 0)])


def test_frames_before_the_end_of_a_file_cut_short(folder):
    path = folder / "cut.mp4"
    run(*PATTERN, "-movflags", "+faststart", str(path))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])
    _, pictures, _, notes = read(path)
    assert 10 < len(pictures) < 40
    (note,) = notes
    assert note.startswith("The video is damaged at about ")
    assert " s of an expected 2.00 s; ffmpeg reports: " in note
    assert note.endswith(". Decoded frames are kept.")


def test_frames_around_a_damage_are_kept(folder):
    path = folder / "long.mkv"
    run(*PATTERN, str(path))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 900] = bytes(
        np.random.default_rng(2).integers(0, 256, 900, np.uint8)
    )
    path.write_bytes(content)
    _, pictures, _, notes = read(path)
    assert 20 < len(pictures) <= 50
    assert notes and notes[0].startswith("The video is damaged at about")


def test_one_picture_is_in_memory_at_a_time(clip):
    with frames.opened(clip) as opened:
        known = []
        for picture in opened:
            known.append(weakref.ref(picture.pixels))
            # This one, and the one before until the next is decoded.
            assert sum(one() is not None for one in known) <= 2
    assert len(known) == 10


@pytest.fixture(scope="module")
def long(folder):
    """More than any pipe holds: 250 frames of 320 x 180 pixels."""
    path = folder / "long.mp4"
    run(
        *("-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=10"),
        *("-c:v", "libx264", "-preset", "ultrafast", str(path)),
    )
    return path


def test_a_decoder_is_ended_with_its_clip(long):
    opened = frames.opened(long)
    assert not hasattr(opened, "_decoder")  # None is left if it isn't entered.
    with opened:
        next(iter(opened))
        process = opened._decoder._process
        assert process.poll() is None
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    "title",
    [
        "x pts_time:1 pts: 7",
        "[showinfo@probe @ 0x1] [info] n: 0 pts: 7 fmt:rgba sar:1/9 s:9x9 ",
        "\n[showinfo@probe @ 0x1] [info] n: 0 pts:7 fmt:rgba sar:1/9 s:9x9 \n",
        "\n[info]   Duration: 99:00:00.00\n"
        "[info]   Stream #0:0: Video: , 7 fps",
        "9" * 400,
        "[error] no error",
    ],
)
def test_titles_are_only_titles(clip, folder, title):
    path = folder / "titled.mp4"
    run("-i", str(clip), "-c", "copy", "-metadata", f"title={title}", path)
    with frames.opened(path) as opened:
        assert [p.index for p in opened] == list(range(10))
        np.testing.assert_allclose(opened.times, np.arange(10) / 25, atol=1e-9)
        assert (opened.size, opened.rates) == ((64, 36), (25.0,))
        assert opened.expected == 10 and opened.notes() == []


def stand_in(folder, monkeypatch, script):
    """Puts a shell's script in ffmpeg's place, which may `exec $ffmpeg`."""
    path = folder / "ffmpeg"
    path.write_text(f'#!/bin/sh\nffmpeg="{ffmpeg.executable()}"\n{script}\n')
    path.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(path))


def test_messages_that_are_one_line(clip, tmp_path, monkeypatch):
    """Those of several threads may be; the times come on another pipe."""
    stand_in(
        tmp_path,
        monkeypatch,
        "printf '[a @ 0x1] [showinfo@probe @ 0x2] [info] n: 0 pts: 7 "
        '[b @ 0x3] [error] half\\n\' >&2\nexec "$ffmpeg" "$@"',
    )
    _, pictures, times, (note,) = read(clip, every=3)
    assert [p.index for p in pictures] == [0, 3, 6, 9]
    np.testing.assert_allclose(times, np.arange(10) / 25, atol=1e-9)
    assert "ffmpeg reports: half. " in note


@pytest.mark.parametrize("every", [1, 3])
def test_a_size_that_changes_midway(folder, every):
    parts = []
    for number, size in enumerate(((32, 18), (48, 27))):
        part = quarters(
            folder / f"part{number}.ts",
            *("-c:v", "mpeg2video", "-q:v", "1"),
            *("-output_ts_offset", str(0.4 * number)),
            size=size,
        )
        parts.append(part.read_bytes())
    path = write(folder / "changing.ts", b"".join(parts))
    size, pictures, times, _ = read(path, every=every)
    assert size == (64, 36) and 15 < len(times) <= 20
    assert [p.index for p in pictures] == list(range(0, len(times), every))
    np.testing.assert_allclose(times, np.arange(len(times)) / 25, atol=1e-4)
    for picture in pictures:
        assert picture.pixels.shape == (36, 64, 3)
        assert_colours(picture, [RED, GREEN, BLUE, WHITE], within=25)


def test_a_time_that_is_far_away(clip, folder):
    """The sixth frame's is 5,000 s late."""
    path = folder / "far.mkv"
    late = "setts=pts='PTS+if(eq(N,5),5000/TB,0)'"
    run("-i", clip, *LOSSLESS, "-bsf:v", late, path)
    _, pictures, times, (note,) = read(path, end=5)
    assert [p.index for p in pictures] == list(range(10))
    expected = np.where(np.arange(10) == 5, np.nan, np.arange(10) / 25)
    np.testing.assert_allclose(times, expected, atol=1e-3)
    assert note == (
        "1 frame has a time more than 600 s away, the first after 0.16 s; "
        "each is numbered directly after the frame before."
    )


def test_more_frames_than_are_read(clip, monkeypatch):
    """Every other one of at most 3."""
    monkeypatch.setattr(untrusted, "MAX_FRAMES", 3)
    _, pictures, times, (note,) = read(clip, every=2)
    assert [p.index for p in pictures] == [0, 2, 4]
    np.testing.assert_allclose(times[:5], np.arange(5) / 25, atol=1e-9)
    assert note == (
        "The video is read up to frame 4 and contains more; set start and end "
        "to read another part."
    )
    monkeypatch.setattr(untrusted, "MAX_FRAMES", 5)
    _, pictures, _, notes = read(clip, every=2)
    assert len(pictures) == 5 and notes == []


@pytest.mark.parametrize(
    "script",
    [
        'exec "$ffmpeg" "$@"',
        # The pictures come when all times have come.
        'case "$*" in *rawvideo*) "$ffmpeg" "$@" | { sleep 0.3; cat; }; exit;;'
        ' esac\nexec "$ffmpeg" "$@"',
    ],
)
def test_frames_above_the_largest_number(clip, tmp_path, monkeypatch, script):
    stand_in(tmp_path, monkeypatch, script)
    monkeypatch.setattr(untrusted, "MAX_FRAME", 6)
    _, pictures, times, (note,) = read(clip, every=2)
    assert len(times) == 7 and [p.index for p in pictures] == [0, 2, 4, 6]
    assert note == (
        "The video is read up to frame 6 and contains more; set start and end "
        "to read another part."
    )
    # Reading that ends before is not cut.
    _, pictures, _, notes = read(clip, every=2, end=0.15)
    assert [p.index for p in pictures] == [0, 2] and notes == []


def test_an_ffmpeg_that_gives_nothing(clip, tmp_path, monkeypatch):
    stand_in(
        tmp_path,
        monkeypatch,
        'case "$*" in *rawvideo*) exec sleep 60;; esac\nexec "$ffmpeg" "$@"',
    )
    monkeypatch.setattr(decoder, "_POLL_S", 0.05)
    monkeypatch.setattr(decoder, "_STALL_S", 0.2)
    with pytest.raises(ValueError, match=r"clip.mp4: .* no output for 0\.2 s"):
        read(clip)
    # A signal is seen meanwhile, also where it is only noted.
    monkeypatch.setattr(decoder, "_STALL_S", 60)
    with (
        pytest.raises(interrupts.Interrupted),
        interrupts.handled(),
        frames.opened(clip) as opened,
        interrupts.deferred(),
    ):
        own = threading.main_thread().ident
        later = threading.Timer(
            0.1, signal.pthread_kill, (own, signal.SIGTERM)
        )
        later.start()
        list(opened)


def test_an_ffmpeg_that_is_too_old(clip, tmp_path, monkeypatch):
    """The message is that of Debian 12's 5.1."""
    stand_in(
        tmp_path,
        monkeypatch,
        "echo \"[error] Unrecognized option 'stats_enc_pre'.\" >&2\nexit 1",
    )
    with pytest.raises(ValueError, match=r"clip.mp4: ffmpeg is older than 6"):
        read(clip)


def test_a_first_picture_that_takes_too_long(clip, tmp_path, monkeypatch):
    stand_in(tmp_path, monkeypatch, "exec sleep 60")
    monkeypatch.setattr(ffmpeg, "PROBE_S", 0.2)
    with pytest.raises(
        ValueError, match=r"needs more than 0\.2 s for the fir"
    ):
        read(clip)


def test_ffmpegs_memory_is_limited(long):
    resource = pytest.importorskip("resource")
    if not hasattr(resource, "prlimit"):
        pytest.skip("this system limits no other process")
    with frames.opened(long) as opened:
        limits = resource.prlimit(
            opened._decoder._process.pid, resource.RLIMIT_AS
        )
    assert limits == (ffmpeg._MEMORY, ffmpeg._MEMORY)


def write(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"<!DOCTYPE html><html></html>", "a web page or XML, not a video"),
        (b"#EXTM3U\n#EXTINF:1,\nclip.mp4\n", "a playlist"),
        (b"ffconcat version 1.0\nfile clip.mp4\n", "a playlist"),
        (b'{"frames": []}', "use --keypoints for a file of keypoints"),
        (b"\0\0\0 ftypheic\0\0", "HEIC or AVIF, which is not supported"),
        # A list of files that does not say so at its beginning.
        (
            b"\n# x\nffconcat version 1.0\nfile clip.mp4\n",
            "not a video, or a tr",
        ),
        (bytes(range(256)) * 40, "not a video, or a truncated one"),
    ],
)
def test_what_is_no_video(folder, clip, content, said):
    path = write(folder / "stranger.mp4", content)
    with pytest.raises(ValueError) as raised:
        read(path)
    message = str(raised.value)
    assert message.startswith(f"{path}: ") and said in message
    assert len(message) < 300 + len(str(path)) and "\n" not in message


@pytest.mark.parametrize(
    "content",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{0}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{0}'\n",
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" '
        'type="static"><Period><AdaptationSet><Representation id="0">'
        "<BaseURL>{0}</BaseURL></Representation></AdaptationSet></Period>"
        "</MPD>",
    ],
)
def test_lists_of_other_files_are_never_followed(
    clip, folder, monkeypatch, content
):
    """Also where they are not told by how they begin."""
    monkeypatch.setattr(frames, "_OTHERS", ())
    path = folder / "list.m3u8"
    path.write_text(content.format(clip))
    with pytest.raises(
        ValueError, match="a playlist or not a video|decodes no"
    ):
        read(path)


def test_no_address_is_opened(folder, monkeypatch):
    monkeypatch.setattr(frames, "_OTHERS", ())
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/clip.ts"
        for name, content in (
            ("list.m3u8", "#EXTM3U\n#EXTINF:1,\n{0}\n#EXT-X-ENDLIST\n"),
            ("list.txt", "ffconcat version 1.0\nfile '{0}'\n"),
            ("list.sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\ns={0}\n"),
        ):
            path = write(folder / name, content.format(address).encode())
            with pytest.raises(ValueError):
                read(path)
            # The path itself is no address, either.
            with pytest.raises(FileNotFoundError):
                read(address)
        server.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_sound_alone(folder):
    path = folder / "sound.m4a"
    run("-f", "lavfi", "-i", SOUND, str(path))
    with pytest.raises(
        ValueError, match=r"m4a: it contains no video, only sound$"
    ):
        read(path)


def test_a_codec_that_ffmpeg_lacks(clip, folder):
    """The clip's, by a name that no codec has."""
    content = clip.read_bytes()
    assert content.count(b"avc1") >= 1
    path = write(folder / "odd.mp4", content.replace(b"avc1", b"zzz1"))
    with pytest.raises(ValueError, match="ffmpeg decodes no picture: "):
        read(path)


def test_pictures_that_are_too_large(clip, monkeypatch):
    monkeypatch.setattr(ffmpeg, "MAX_PIXELS", 64 * 36 - 1)
    with pytest.raises(
        ValueError, match="of 64x36 pixels; expected at most 2303"
    ):
        read(clip)


def test_no_ffmpeg(clip, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(OSError, match=r"pip install 'ampose_tf\[video\]'"):
        read(clip)


def test_no_file_no_pipe(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="no video or folder"):
        read(folder / "none.mp4")
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(OSError, match="a pipe or a device"):
        read(tmp_path / "pipe.mp4")
    with pytest.raises(OSError, match="a pipe or a device"):
        read("/dev/zero")
    # As of a shell's `<(command)`.
    ends = os.pipe()
    try:
        with pytest.raises(OSError, match="a pipe or a device"):
            read(f"/dev/fd/{ends[0]}")
    finally:
        for end in ends:
            os.close(end)


def image(colour, size=(8, 6), mode="RGB"):
    return Image.new(mode, size, colour)


def test_images_of_a_folder_in_the_order_of_their_numbers(tmp_path):
    for number, ending in enumerate(("png", "jpg", "bmp", "webp", "tif")):
        image((50 * number,) * 3).save(tmp_path / f"i{2 * number}.{ending}")
    image((250,) * 3).save(tmp_path / "i11.png")
    (tmp_path / ".hidden.png").write_text("no image")
    (tmp_path / "notes.txt").write_text("no image")
    size, pictures, times, notes = read(tmp_path)
    assert (size, times, notes) == ((8, 6), None, [])
    assert [p.index for p in pictures] == list(range(6))
    means = [p.pixels.mean() for p in pictures]
    np.testing.assert_allclose(means, range(0, 251, 50), atol=1)
    _, pictures, *_ = read(tmp_path, every=2, longest=4)
    assert [(p.index, p.pixels.shape) for p in pictures] == [
        (index, (3, 4, 3)) for index in (0, 2, 4)
    ]
    with pytest.raises(ValueError, match="images have no times"):
        read(tmp_path, end=3)


def test_images_that_are_not_like_the_others(tmp_path):
    for number in range(4):
        image((9, 9, 9)).save(tmp_path / f"{number}.png")
    image((9, 9, 9), (6, 8)).save(tmp_path / "2.png")
    (tmp_path / "1.png").write_bytes((tmp_path / "0.png").read_bytes()[:40])
    size, pictures, _, notes = read(tmp_path)
    assert [p.index for p in pictures] == [0, 3]
    first, second = notes
    assert first.startswith(f"1 image cannot be read: {tmp_path}/1.png: a ")
    assert second == (
        "1 image is left out, because the size differs from the first image's "
        "8x6 pixels: 2.png."
    )


def test_a_first_image_that_is_damaged_is_left_out(tmp_path):
    for number in range(5):
        image((9, 9, 9)).save(tmp_path / f"{number}.png")
    for number in (0, 2):
        (tmp_path / f"{number}.png").write_bytes(b"\x89PNG")
    size, pictures, _, (note,) = read(tmp_path)
    assert size == (8, 6) and [p.index for p in pictures] == [1, 3, 4]
    assert note.startswith(f"2 images cannot be read, such as {tmp_path}/0.")
    (tmp_path / "4.png").write_bytes(b"\x89PNG")
    with pytest.raises(ValueError, match=r"0\.png: a damaged image"):
        read(tmp_path, every=2)


def test_files_with_several_images(tmp_path):
    """Their first image is read, and a note says so."""
    some = [image((shade,) * 3, (16, 16)) for shade in (0, 90, 200)]
    for name in ("moving.png", "moving.webp", "pages.tif"):
        some[0].save(tmp_path / name, save_all=True, append_images=some[1:])
    stream = io.BytesIO()
    for one in some:
        one.save(stream, "jpeg")
    write(tmp_path / "stream.mjpeg", stream.getvalue())
    for path in sorted(tmp_path.iterdir()):
        _, (picture,), _, (note,) = read(path)
        assert picture.pixels.max() < 5
        assert note == (
            "1 file has more than one image; only the first is read: "
            f"{path.name}."
        )
    # A phone's photograph has others, which belong to it.
    path = tmp_path / "phone.jpg"
    some[0].save(path, "MPO", save_all=True, append_images=some[1:])
    assert read(path)[3] == []


def test_folders_without_images(tmp_path):
    with pytest.raises(ValueError, match="no image in this folder$"):
        read(tmp_path)
    (tmp_path / "a.mp4").touch()
    with pytest.raises(ValueError, match="one of its videos, such as a.mp4"):
        read(tmp_path)


def test_an_image_is_turned_as_it_is_to_be_seen(tmp_path):
    """A file with red above blue, that says "turn me by a quarter"."""
    turned = image(RED, (4, 6))
    turned.paste(BLUE, (0, 3, 4, 6))
    exif = Image.Exif()
    exif[0x0112] = 6  # By 90 degrees with the clock.
    turned.save(tmp_path / "turned.png", exif=exif)
    size, (picture,), *_ = read(tmp_path / "turned.png")
    assert size == (6, 4)
    assert picture.pixels[:, 0].tolist() == 4 * [list(BLUE)]
    assert picture.pixels[:, -1].tolist() == 4 * [list(RED)]


def test_images_of_other_kinds_become_rgb(tmp_path):
    transparent = image((255, 0, 0, 255), mode="RGBA")
    transparent.putpixel((0, 0), (255, 255, 255, 0))
    deep = Image.fromarray(np.full((6, 8), 257 * 100, np.uint16))
    for name, made, first, last in (
        ("alpha.png", transparent, (0, 0, 0), RED),
        ("deep.png", deep, (100,) * 3, (100,) * 3),
        ("grey.png", image(7, mode="L"), (7,) * 3, (7,) * 3),
    ):
        made.save(tmp_path / name)
        _, (picture,), *_ = read(tmp_path / name)
        assert picture.pixels[0, 0].tolist() == list(first), name
        assert picture.pixels[-1, -1].tolist() == list(last), name


def chunk(kind, content):
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


@pytest.mark.parametrize("side", [9_000, 30_000])
def test_an_image_that_is_too_large(tmp_path, side):
    """Some bytes, which would unpack to gigabytes."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    path = write(
        tmp_path / "bomb.png",
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(100)))
        + chunk(b"IEND", b""),
    )
    with pytest.raises(ValueError, match=f"{path}: .*pixels"):
        read(path)


def test_a_damaged_image(tmp_path):
    content = io.BytesIO()
    noise = np.random.default_rng(3).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(content, "jpeg")
    path = write(tmp_path / "cut.jpg", content.getvalue()[:900])
    with pytest.raises(ValueError, match=r"cut\.jpg: a damaged image"):
        read(path)


def test_one_end_is_infinite_and_the_other_is_not(clip):
    assert len(read(clip, end=math.inf)[1]) == 10
    assert len(read(clip, end=0.2)[1]) == 5
