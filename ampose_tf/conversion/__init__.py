"""Other skeletons to Human3.6M's 17 joints, as data.

Each Human3.6M joint is a weighted mean of the other skeleton's joints. The
weights sum to one, so that what is converted moves, scales and turns with the
image. A joint may have several such means in order of preference, its
alternatives: the first whose sources are all seen is taken.

`skeletons` has the tables, `rules` the geometry behind them.
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
