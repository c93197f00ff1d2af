"""Draws the frames of a motion: 2D keypoints beside 3D people on a floor."""

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from ampose_tf.lifting.motion import Motion
from ampose_tf.lifting.viewers import drawing
from ampose_tf.lifting.viewers.scene import Scene
from ampose_tf.lifting.viewers.stage import Stage
from ampose_tf.skeleton import Skeleton

# Margins and gaps, as shares of the picture's height.
_ABOVE, _BELOW, _GAP = 0.14, 0.065, 0.03
# Limits of a panel's width relative to its height.
_NARROWEST, _WIDEST = 0.55, 1.7
# Extents of a panel relative to its content.
_LOOSE = 1.12
# Width of a bone in the image, as a share of the extent shown.
_BONE = 0.011
# As a share of the whole picture, in which people may be small.
_BONE_ON_PICTURES = 0.004
_DPI = 100


class Film:
    """Draws the frames of a motion, in about 10 ms of processor time each.

    The parts that all frames share are drawn once.

    Attributes:
        size: (width, height) of the pictures in pixels, even numbers.
    """

    def __init__(
        self,
        motion: Motion,
        scene: Scene,
        height: int,
        caption: str,
        on_pictures: bool = False,
    ):
        """Draws the parts that all frames share.

        Args:
            motion: Motion with at least one track.
            scene: Its scene, from `arrange`.
            height: Height of the pictures in pixels.
            caption: Line of text below the pictures.
            on_pictures: Whether to draw keypoints on the whole pictures of
                the video, rather than close up on a white background.
        """
        self._scene = scene
        panels = (
            _Image(
                scene,
                motion.skeleton,
                motion.image_size if on_pictures else None,
            ),
            Stage(scene, motion.skeleton),
        )
        side = "right" if panels[1].side > 0 else "left"
        looseness = (1.0 if on_pictures else _LOOSE, _LOOSE)
        extents = [
            loose * (panel.high - panel.low)
            for panel, loose in zip(panels, looseness, strict=True)
        ]
        aspects = [
            float(np.clip(wide / high, _NARROWEST, _WIDEST))
            for wide, high in extents
        ]
        inner = 1 - _ABOVE - _BELOW
        width = sum(aspects) * inner + (len(panels) + 1) * _GAP  # In heights.
        self.size = (2 * round(width * height / 2), 2 * (height // 2))
        figure = Figure(
            figsize=(self.size[0] / _DPI, self.size[1] / _DPI), dpi=_DPI
        )
        self._canvas = FigureCanvasAgg(figure)
        points = 72 * self.size[1] / _DPI
        left = _GAP
        self._panels = []
        for panel, extent, aspect, title in zip(
            panels,
            extents,
            aspects,
            ("2D keypoints", f"3D, seen from half {side}"),
            strict=True,
        ):
            axes = figure.add_axes(
                (left / width, _BELOW, aspect * inner / width, inner)
            )
            left += aspect * inner + _GAP
            units = max(extent[1], extent[0] / aspect)
            middle = (panel.low + panel.high) / 2
            half = np.array([aspect, 1.0]) * units / 2
            axes.set(
                xlim=(middle[0] - half[0], middle[0] + half[0]),
                ylim=(middle[1] - half[1], middle[1] + half[1]),
                xticks=[],
                yticks=[],
            )
            axes.spines[:].set_color("0.8")
            axes.set_title(title, fontsize=0.03 * points, pad=0.012 * points)
            panel.attach(axes, inner * points / units)
            self._panels.append((axes, panel))
        if not on_pictures:
            drawing.image_frame(self._panels[0][0], motion.image_size)
        drawing.legend(figure, scene, 0.03 * points)
        small = {"fontsize": 0.026 * points, "va": "center", "color": "0.3"}
        figure.text(_GAP / width, _BELOW / 2, caption, **small)
        self._clock = figure.text(
            x=1 - _GAP / width,
            y=_BELOW / 2,
            s="",
            **small,
            ha="right",
            animated=True,
        )
        self._canvas.draw()
        self._empty = self._canvas.copy_from_bbox(figure.bbox)

    def draw(
        self, frame: int, picture: np.ndarray | None = None
    ) -> np.ndarray:
        """Returns the picture of a video frame, (H, W, 3) uint8.

        Args:
            frame: Frame number.
            picture: (H, W, 3) uint8, the video's picture if keypoints are
                drawn on pictures.
        """
        self._canvas.restore_region(self._empty)
        if picture is not None:
            self._panels[0][1].show(picture)
        for axes, panel in self._panels:
            for artist in panel.draw(frame):
                axes.draw_artist(artist)
        when = f"   {frame / self._scene.fps:.2f} s"
        self._clock.set_text(
            f"frame {frame}{when if self._scene.fps_known else ''}"
        )
        self._canvas.figure.draw_artist(self._clock)
        return np.asarray(self._canvas.buffer_rgba())[..., :3].copy()


class _Image:
    """The 2D panel; y points up, so that pixels have negative y.

    Attributes:
        low: (2,), lower left corner of the part shown, in pixels.
        high: (2,), upper right corner.
    """

    def __init__(
        self,
        scene: Scene,
        skeleton: Skeleton,
        whole: tuple[int, int] | None,
    ):
        self._scene = scene
        self._skeleton = skeleton
        self._whole = whole
        seen = [
            person.track.keypoints_px[person.track.seen]
            for person in scene.people
        ]
        points = np.concatenate([*seen, np.empty((0, 2))]) * (1, -1)
        if not len(points):
            points = np.zeros((1, 2))
        self.low, self.high = points.min(axis=0), points.max(axis=0)
        # A single point also needs an extent.
        self.high = np.maximum(self.high, self.low + 1)
        if whole is not None:
            self.low, self.high = np.array([[0, -whole[1]], [whole[0], 0]])

    def attach(self, axes: Axes, points_per_pixel: float) -> None:
        width = _BONE if self._whole is None else _BONE_ON_PICTURES
        self._width = max(
            width * float((self.high - self.low).max()) * points_per_pixel, 1.0
        )
        self._backdrop = ()
        if self._whole is not None:
            width, height = self._whole
            picture = AxesImage(
                axes,
                extent=(0, width, -height, 0),
                interpolation="nearest",
                animated=True,
            )
            picture.set_clip_path(axes.patch)
            axes.add_artist(picture)
            self._backdrop = (picture,)
        self._people = drawing.collection(axes, animated=True)

    def show(self, picture: np.ndarray) -> None:
        """Sets the video's picture behind the people."""
        self._backdrop[0].set_data(picture)

    def draw(self, frame: int) -> tuple[Artist, ...]:
        drawing.put(
            self._people,
            [
                drawing.strokes(
                    person,
                    self._skeleton,
                    person.pixels(row) * (1, -1),
                    person.track.seen[row],
                    self._width,
                    # Later people are drawn in front.
                    np.full(len(self._skeleton.joints), -float(i)),
                )
                for i, (person, row) in enumerate(self._scene.present(frame))
            ],
        )
        return (*self._backdrop, self._people)
