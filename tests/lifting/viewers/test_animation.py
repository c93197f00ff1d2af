import contextlib
import dataclasses
import sys

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from ampose_tf.lifting.blazepose import frames as frames_of
from ampose_tf.lifting.motion import Motion
from ampose_tf.lifting.viewers import animation, scene
from ampose_tf.lifting.viewers.film import Film
from ampose_tf.lifting.viewers.stage import Stage, turned_view
from ampose_tf.skeleton import H36M_17
from tests.lifting.filmed import FPS, film, only
from tests.lifting.pictures import count, decoded


def delays(path):
    """Returns the milliseconds for which each frame of a GIF is shown."""
    with Image.open(path) as picture:
        return [
            picture.info["duration"]
            for index in range(picture.n_frames)
            if picture.seek(index) is None
        ]


def long(frames, fps):
    """A motion of many frames in which somebody stands still."""
    track = film(frames=2).motion.tracks[0]
    track = only(track, np.zeros(frames, int))
    return Motion(
        (track._replace(frames=np.arange(frames)),), (1000, 1000), fps
    )


def test_a_gif_has_the_clips_speed(tmp_path):
    motion = dataclasses.replace(film(frames=31).motion, fps=30.0)
    (path,) = motion.save(tmp_path / "clip.gif")
    # 10 ms is the format's unit: 33.3 ms are 30, 40, 30, which adds up.
    assert delays(path)[:4] == [30, 40, 30, 30]
    assert sum(delays(path)) == pytest.approx(31000 / 30, abs=5)
    with Image.open(path) as picture:
        assert picture.info["loop"] == 0
    frames = decoded(path)
    assert frames.shape[:2] == (31, 400) and frames.shape[2] % 2 == 0
    assert (frames[:, 0, 0] == 255).all()
    # In each frame and both panels, which legend and titles are not in.
    for panel in (frames[:, 50:, :166], frames[:, 50:, 250:]):
        for colour in (scene.LEFT, scene.RIGHT, scene.MIDDLE):
            assert count(panel, colour).min() > 50, colour
    changed = (frames[0] != frames[15]).any(axis=2)
    # In both panels, and only there: legend and titles stay.
    width = changed.shape[1]
    assert changed[:, : width // 3].any() and changed[:, width // 2 :].any()
    assert not changed[: len(changed) // 8].any()


def test_no_frame_is_shown_longer_than_the_format_can_say(tmp_path):
    motion = dataclasses.replace(film(frames=2).motion, fps=0.001)
    (path,) = motion.save(tmp_path / "clip.gif")
    assert delays(path) == [655_350] * 2


@pytest.mark.parametrize(
    ("frames", "fps", "shown", "remark"),
    [
        (400, 50, range(400), ""),
        (401, 50, range(0, 401, 2), "one frame in 2"),
        # More than a browser shows.
        (30, 120, range(0, 30, 3), "one frame in 3"),
        # No more than to 10 a second: the end is lost instead.
        (
            3000,
            30,
            range(0, 1200, 3),
            "one frame in 3, the first 40 of 100 seconds",
        ),
        (800, 8, range(400), "the first 50 of 100 seconds"),
    ],
)
def test_long_clips_are_thinned_for_a_gif(frames, fps, shown, remark):
    chosen, said = animation._gif_frames(scene.arrange(long(frames, fps)))
    assert (chosen, said) == (shown, remark)


def test_thinning_is_said_and_keeps_the_speed(tmp_path, caplog):
    motion = dataclasses.replace(film(frames=25).motion, fps=100.0)
    (path,) = motion.save(tmp_path / "clip.gif")
    assert delays(path) == 13 * [20]
    assert "clip.gif shows one frame in 2" in caplog.text


def test_an_mp4_has_every_frame_at_the_clips_rate(tmp_path):
    motion = dataclasses.replace(film(frames=13).motion, fps=30000 / 1001)
    (path,) = motion.save(tmp_path / "clip.mp4")
    count, _ = imageio_ffmpeg.count_frames_and_secs(str(path))
    with contextlib.closing(imageio_ffmpeg.read_frames(str(path))) as frames:
        about = next(frames)
        width, height = about["size"]
        pictures = [
            np.frombuffer(next(frames), np.uint8).reshape(height, width, 3)
            for _ in range(13)
        ]
    assert (count, height) == (13, 720)
    assert about["fps"] == pytest.approx(29.97, abs=0.01)
    assert about["codec"] == "h264"
    # The picture that was drawn, but for compression.
    drawn = Film(motion, scene.arrange(motion), 720, "").draw(12)
    assert np.abs(pictures[12].astype(int) - drawn).mean() < 2
    assert np.abs(pictures[0].astype(int) - drawn).mean() > 2


@pytest.mark.parametrize(
    ("frames", "step", "expected"),
    [
        # Also before the person comes, and after.
        ([0, 1, 2, 3, 4, 5], 1, [0, 1, 2, 3, 4, 5]),
        # The third is missing: the second stays.
        ([0, 1, 3, 4], 1, [0, 1, 1, 3, 4]),
        ([0, 2, 6, 8], 2, [0, 2, 2, 6, 8]),
        # No longer than the longest.
        ([2, 30_000], 1, 6 * [2] + [30_000]),
    ],
)
def test_a_preview_shows_each_picture_at_its_time(
    tmp_path, monkeypatch, frames, step, expected
):
    """Pictures are as bright as their place among the frames."""
    monkeypatch.setattr(animation, "_LONGEST_STAY_S", 0.2)
    monkeypatch.setattr(animation, "_MP4_HEIGHT", 180)
    track = film(frames=3).motion.tracks[0]
    track = track._replace(frames=np.array([1, 2, 3]) * step)
    motion = Motion((track,), (64, 36), 30.0)

    def pictures(longest):
        assert longest > 64
        for place, frame in enumerate(frames):
            yield frame, np.full((36, 64, 3), 40 * place, np.uint8)

    path = tmp_path / "preview.mp4"
    animation.write_preview(path, motion, pictures)
    with frames_of.opened(path) as clip:
        width, height = clip.size
        corners = [
            # Of the left panel, below its title.
            shown.pixels[2 * height // 5, width // 8 : width // 6].mean()
            for shown in clip
        ]
    assert clip.rates[0] == pytest.approx(30 / step)
    brightness = [40 * frames.index(frame) for frame in expected]
    np.testing.assert_allclose(corners, brightness, atol=8)


def test_a_preview_below_a_picture_in_ten_seconds(tmp_path, monkeypatch):
    """Each picture is shown once, however long none other comes."""
    monkeypatch.setattr(animation, "_MP4_HEIGHT", 180)
    track = film(frames=3).motion.tracks[0]
    motion = Motion((track,), (64, 36), 0.04)

    def pictures(longest):
        for place in range(3):
            yield place, np.full((36, 64, 3), 40 * place, np.uint8)

    path = tmp_path / "preview.mp4"
    animation.write_preview(path, motion, pictures)
    count, _ = imageio_ffmpeg.count_frames_and_secs(str(path))
    assert count == 3


def test_a_preview_that_fails_ends_the_videos_decoder(tmp_path, monkeypatch):
    ended = []

    def pictures(longest):
        try:
            yield 0, np.zeros((36, 64, 3), np.uint8)
        finally:
            ended.append(True)

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(Film, "draw", fail)
    with pytest.raises(OSError, match="disk full") as raised:
        animation.write_preview(
            tmp_path / "preview.mp4", film(frames=2).motion, pictures
        )
    # The traceback holds the generator, which alone would not end.
    assert raised.tb is not None and ended == [True]


@pytest.mark.parametrize("ending", [".gif", ".mp4"])
def test_people_are_placed_once(tmp_path, monkeypatch, ending):
    placed = []
    positions = scene.world_positions
    monkeypatch.setattr(
        scene,
        "world_positions",
        lambda motion: placed.append(motion) or positions(motion),
    )
    film(frames=2).motion.save(tmp_path / f"clip{ending}")
    assert len(placed) == 1


def test_without_ffmpeg_one_line_says_what_to_do(tmp_path, monkeypatch):
    motion = film(frames=2).motion
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(
        ValueError, match=r"clip.mp4: .*install 'ampose_tf\[video\]'"
    ):
        motion.save(tmp_path / "clip.mp4")
    assert list(tmp_path.iterdir()) == []


def test_an_ffmpeg_that_fails_leaves_no_file(tmp_path, monkeypatch):
    broken = tmp_path / "ffmpeg"
    # imageio-ffmpeg asks once for the encoders, and tries one.
    broken.write_text(
        "#!/bin/sh\n"
        'case "$*" in *-encoders*|*nullsrc*) '
        f'exec "{imageio_ffmpeg.get_ffmpeg_exe()}" "$@";; esac\n'
        "cat > /dev/null\nexit 1\n"
    )
    broken.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(broken))
    with pytest.raises(OSError, match="clip.mp4: ffmpeg wrote 0 of 2"):
        film(frames=2).motion.save(tmp_path / "clip.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["ffmpeg"]


def test_a_view_is_a_camera_from_half_right_and_above():
    view = turned_view(4.0)
    np.testing.assert_allclose(view.axes @ view.axes.T, np.eye(3), atol=1e-12)
    # Up is up, the camera's right and what is away are to the right.
    at, _ = view.project(np.array([[0, 0, 1.0], [1.0, 0, 0], [0, 1.0, 0]]))
    assert at[0, 0] == pytest.approx(0, abs=1e-12) and at[0, 1] > 0.9
    assert at[1, 0] > 0 and at[2, 0] > 0
    # From 50 degrees right, the camera's right is nearer than the left.
    points = np.array([[1.0, 0, 0], [-1.0, 0, 0]])
    near, far = view.project(points)[1]
    assert near > 1 > far
    # Half way to the camera, things are twice as large.
    back = -2 * view.axes[2]
    at, scale = view.project(back + 0.1 * view.axes[0])
    np.testing.assert_allclose(at, [0.2, 0], atol=1e-12)
    assert scale == pytest.approx(2)


def test_the_view_goes_with_people_who_go_far():
    track = only(film(frames=2).motion.tracks[0], np.zeros(400, int))
    widths = []
    # In eight seconds, to the camera's right.
    for metres in (0, 4, 12):
        way = np.linspace([0, 0, 0], [metres, 0, 0], 400)
        moved = track._replace(frames=np.arange(400), root=track.root + way)
        motion = Motion((moved,), (1000, 1000), FPS)
        stage = Stage(scene.arrange(motion), H36M_17)
        widths.append(float((stage.high - stage.low)[0]))
    still, near, far = widths
    # Through the picture, and held in its middle.
    assert near > still + 2
    assert still < far < near


@pytest.mark.parametrize(("x", "side"), [(0.1, -1), (-0.1, 1)])
def test_people_are_seen_from_their_own_side(x, side):
    # The left side is farther away than the right one. Where it is also to
    # the right in the image, it is behind the right one from half left.
    track = only(film(frames=2).motion.tracks[0], [0])
    pose = np.zeros((1, 17, 3))
    pose[:, list(H36M_17.left)] = [x, 0, 0.1]
    pose[:, list(H36M_17.right)] = [-x, 0, -0.1]
    motion = Motion((track._replace(poses_3d=pose),), (1000, 1000), FPS)
    assert Stage(scene.arrange(motion), H36M_17).side == side


def test_people_of_any_number_are_drawn(tmp_path):
    motion = film(frames=3).motion
    crowd = tuple(
        motion.tracks[0]._replace(track_id=i, root=None) for i in range(11)
    )
    gone = only(crowd[0], [2])._replace(track_id=99)
    motion = Motion((*crowd[1:], gone), motion.image_size, None, H36M_17)
    (path,) = motion.save(tmp_path / "crowd.gif")
    assert len(delays(path)) == 3
