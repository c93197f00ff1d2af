"""What `read_video` makes of damage, and of more than it takes."""

import numpy as np
import pytest

from ampose_tf.lifting import untrusted, video
from ampose_tf.lifting.blazepose import following
from tests.filmed_clips import quarters, run
from tests.lifting import test_video


class Follower(test_video.Follower):
    def follow(self, image, seconds):
        self.times.append(seconds)
        return [
            following.Person(1, test_video.body(image, 0.5), test_video.SCORES)
        ]


class Nobody(test_video.Follower):
    def follow(self, image, seconds):
        return []


@pytest.fixture
def clip(tmp_path):
    return quarters(
        tmp_path / "clip.mp4",
        *("-pix_fmt", "yuv420p", "-movflags", "+faststart", "-g", "2"),
        size=(320, 180),
    )


def test_damage_is_said_where_no_person_is_found(clip, monkeypatch):
    monkeypatch.setattr(following, "Follower", Nobody)
    content = clip.read_bytes()
    clip.write_bytes(content[: len(content) * 7 // 10])
    with pytest.raises(ValueError) as raised:
        video.read_video(clip)
    message = str(raised.value)
    assert "clip.mp4: no person is found in its " in message
    assert "; The video is damaged at about " in message
    assert len(message) <= 300


def test_one_frame_is_said_in_the_singular(clip, monkeypatch):
    monkeypatch.setattr(following, "Follower", Nobody)
    with pytest.raises(ValueError, match=r"is found in its 1 frame$"):
        video.read_video(clip, end=0.03)


def test_frames_with_numbers_that_no_file_holds(clip, monkeypatch):
    monkeypatch.setattr(following, "Follower", Follower)
    # Frames 4 to 9, up to the sixth.
    monkeypatch.setattr(untrusted, "MAX_FRAME", 6)
    found = video.read_video(clip, start=0.15)
    assert found.tracks[0].frames.tolist() == [4, 5, 6]
    assert found.frame_count == 7
    (note,) = found.notes
    assert note.startswith("Frames with numbers above 6 are left out")
    shown = video.shown(clip, found, start=0.15)
    assert [frame for frame, _ in shown] == [4, 5, 6]
    found.save(clip.with_name("k.json"))
    with pytest.raises(ValueError, match="no person .* above 6 are left out"):
        video.read_video(clip, start=0.3)


def test_a_lone_time_that_is_far_away(clip, monkeypatch):
    """It does not move the frames after it."""
    monkeypatch.setattr(following, "Follower", Follower)
    path = clip.with_name("far.mkv")
    late = "setts=pts='PTS+if(eq(N,5),5000/TB,0)'"
    run("-i", clip, "-c:v", "ffv1", "-bsf:v", late, path)
    found = video.read_video(path)
    np.testing.assert_array_equal(found.tracks[0].frames, np.arange(10))
    assert found.fps == 25
    assert "1 frame has a time more than 600 s away" in found.notes[0]
