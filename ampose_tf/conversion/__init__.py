"""Converts other skeletons to Human3.6M's 17 joints.

Each of Human3.6M's joints is a weighted mean of the other skeleton's joints.
The weights sum to one, so conversion commutes with translations, scalings and
rotations of the image. A joint may have several alternatives in order of
preference; the first one whose sources are all seen is used.

`skeletons` contains the tables, `rules` the geometry behind them.
"""

from ampose_tf.conversion.skeletons import (
    BODY_25,
    COCO_17,
    CONVERSIONS,
    MEDIAPIPE_33,
    MOVENET_17,
    MPI_INF_3DHP_17,
)
from ampose_tf.conversion.weighted import SEEN_SCORE, Conversion

__all__ = [
    "BODY_25",
    "COCO_17",
    "CONVERSIONS",
    "MEDIAPIPE_33",
    "MOVENET_17",
    "MPI_INF_3DHP_17",
    "SEEN_SCORE",
    "Conversion",
]
