"""Videos that are turned, squeezed, too fast, or no video at all."""

import numpy as np
import pytest

from ampose_tf.lifting import doctor
from benchmarks import damages
from tests.lifting.doctor.examined import filmed_clip, kinds, marks


def damaged(clip, kind, what):
    return damages.DAMAGES[kind, what](clip, np.random.default_rng(2))


@pytest.mark.parametrize("skeleton", ["H36M-17", "COCO-17"])
@pytest.mark.parametrize("action", ["Walking", "Greeting"])
def test_quarter_turns_and_upside_down(action, skeleton):
    clip = filmed_clip(action, skeleton)
    for what in ("clockwise", "counter-clockwise"):
        turned = damaged(clip, "turned", what)
        sentences = {f.kind: f.sentence for f in doctor.examine(turned)}
        assert "90 degrees " + what in sentences["turned"]
    over = damaged(clip, "turned", "upside down")
    sentences = {f.kind: f.sentence for f in doctor.examine(over)}
    assert "upside down" in sentences["turned"]


def test_turning_an_image_is_no_mirror():
    """Where left is left tells turned images from exchanged axes.

    Backwards they are each other.
    """
    pixels = np.array([[[10.0, 20.0]]])
    clip = damages.one_person(pixels, "H36M-17", (100, 200))
    for quarters, place, size in (
        ("clockwise", (180, 10), (200, 100)),
        ("counter-clockwise", (20, 90), (200, 100)),
        ("upside down", (90, 180), (100, 200)),
    ):
        turned = damaged(clip, "turned", quarters)
        np.testing.assert_allclose(turned.tracks[0].pixels, [[place]])
        assert turned.image_size == size


def test_a_turn_that_is_not_told_is_both():
    """A person who stands still may be seen from either side."""
    clip = filmed_clip()
    (track,) = clip.tracks
    still = damages.one_person(
        np.repeat(track.pixels[:1], 20, axis=0), "H36M-17", (1000, 1000)
    )
    turned = damaged(still, "turned", "counter-clockwise")
    assert {"turned", "xy_swapped"} <= set(kinds(turned))
    over = damaged(still, "turned", "upside down")
    assert {"turned", "y_up"} <= set(kinds(over))
    # Clockwise, no exchange of axes looks alike.
    assert "xy_swapped" not in kinds(damaged(still, "turned", "clockwise"))


@pytest.mark.parametrize("true", damages.NEAR)
def test_nearly_the_same_skeleton(true):
    clip = filmed_clip(skeleton="COCO-17")
    taken = damaged(clip, "order", f"{true} as {damages.NEAR[true]}")
    (finding,) = [f for f in doctor.examine(taken) if f.kind == "order"]
    assert finding.certainty == doctor.CERTAIN
    assert finding.sentence.endswith(f"try --skeleton={true}")
    assert "order" not in kinds(taken._replace(skeleton=true))


def test_squeezed_images():
    clip = filmed_clip()
    narrow = damaged(clip, "aspect", "16:9 squeezed to a square")
    (finding,) = [f for f in doctor.examine(narrow) if f.kind == "aspect"]
    assert finding.sentence.startswith("people look narrow")
    wide = damaged(clip, "aspect", "9:16 squeezed to a square")
    (finding,) = [f for f in doctor.examine(wide) if f.kind == "aspect"]
    assert finding.sentence.startswith("people look wide")


def test_3d_given_as_2d():
    clip = filmed_clip()
    for what in ("metres", "millimetres"):
        (finding,) = [
            f
            for f in doctor.examine(damaged(clip, "is_3d", what))
            if f.kind == "is_3d"
        ]
        assert f"3D joints in {what} are" in finding.sentence
    # People in pixels from their hip are normalised, not of a unit.
    from_hip = damaged(clip, "normalised", "from the hip")
    assert "is_3d" not in kinds(from_hip)


def test_too_fast():
    """Of 50 frames a second, said to be 400: eight times too fast."""
    clip = filmed_clip(frames=60)._replace(fps=50.0)
    assert kinds(clip) == []
    (finding,) = doctor.examine(clip, fps=400)
    assert finding.kind == "frame_rate"
    assert finding.sentence.startswith("at 400 frames per second people move")
    # Every sixteenth frame, and nothing says so: 30 are assumed.
    (track,) = filmed_clip(frames=320).tracks
    every = damages.one_person(track.pixels[::16], "H36M-17", (1000, 1000))
    assert "frame_rate" in kinds(every)
    assert marks(every)["frame_rate"] == "[!]"


def test_rates_are_counted_by_frame_numbers():
    clip = filmed_clip(frames=160)._replace(fps=50.0)
    (track,) = clip.tracks
    every = track._replace(
        frames=track.frames[::4],
        pixels=track.pixels[::4],
        scores=track.scores[::4],
    )
    assert "frame_rate" not in kinds(clip._replace(tracks=(every,)))
