import dataclasses

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from ampose_tf.lifting.motion import Motion
from ampose_tf.lifting.viewers import scene
from tests.lifting.filmed import film, only
from tests.lifting.pictures import count, decoded

SIDES = (scene.LEFT, scene.RIGHT, scene.MIDDLE)


def amounts(path, colours):
    """Returns how many pixels of a picture have each colour exactly."""
    frames = decoded(path)
    return [int(count(frames, colour, within=0)[0]) for colour in colours]


def test_a_sheet_has_a_column_for_each_of_some_frames(tmp_path):
    widths = []
    for frames in (1, 2, 3, 7):
        motion = film(frames=frames).motion
        (path,) = motion.save(tmp_path / f"{frames}.png")
        with Image.open(path) as picture:
            widths.append(picture.width)
    one, two, three, many = widths
    # One column is as wide as two, for the legend; more than five are left.
    assert one == two < three
    # A column may be rounded by a pixel.
    assert abs(many - two - 3 * (three - two)) <= 3


def test_sides_and_people_have_their_colours(tmp_path):
    motion = film(frames=5).motion
    (alone,) = motion.save(tmp_path / "alone.png")
    assert min(amounts(alone, SIDES)) > 100
    assert amounts(alone, scene.PEOPLE[:2]) == [0, 0]
    other = film("Eating", 5, "S8", track_id=8).motion.tracks[0]
    # Without a root, and with joints that were not seen or are nowhere.
    seen, pixels = other.seen.copy(), other.keypoints_px.copy()
    seen[:, 11:] = False
    pixels[:, 12] = np.nan
    other = other._replace(root=None, seen=seen, keypoints_px=pixels)
    together = dataclasses.replace(motion, tracks=(*motion.tracks, other))
    (path,) = together.save(tmp_path / "together.png")
    assert min(amounts(path, (*SIDES, *scene.PEOPLE[:2]))) > 100


def test_what_little_there_is_is_drawn(tmp_path):
    # One frame, in which no joint was seen.
    filmed = film(frames=2).motion
    track = only(filmed.tracks[0], [1])
    nothing = track._replace(
        seen=np.zeros((1, 17), bool),
        keypoints_px=np.full((1, 17, 2), np.nan),
        root=None,
    )
    for name, each in (("nothing", nothing), ("one", track)):
        motion = Motion((each,), filmed.image_size)
        (path,) = motion.save(tmp_path / f"{name}.png")
        assert min(amounts(path, (scene.LEFT, scene.RIGHT))) > 100


def test_pixels_are_the_files_where_the_image_is_assumed(
    tmp_path, monkeypatch
):
    figures = []
    savefig = Figure.savefig
    monkeypatch.setattr(
        Figure,
        "savefig",
        lambda figure, *path, **options: (
            figures.append(figure) or savefig(figure, *path, **options)
        ),
    )
    motion = film(frames=1).motion
    for name, corner in (("whole", (0, 0)), ("square", (1200, -30))):
        moved = dataclasses.replace(motion, image_corner=corner)
        moved.save(tmp_path / f"{name}.png")
    (image, room, _), (moved_image, moved_room, _) = (
        figure.axes for figure in figures
    )
    # y points up, and is negative.
    for by, here, there in (
        (1200, image.get_xlim(), moved_image.get_xlim()),
        (30, image.get_ylim(), moved_image.get_ylim()),
        (0, room.get_xlim(), moved_room.get_xlim()),
    ):
        np.testing.assert_allclose(np.subtract(there, here), by, atol=1e-3)
    assert moved_image.yaxis.get_major_formatter()(-20) == "20"
    edge, moved_edge = image.patches[0], moved_image.patches[0]
    np.testing.assert_allclose(
        np.subtract(moved_edge.get_xy(), edge.get_xy()), (1200, 30)
    )
