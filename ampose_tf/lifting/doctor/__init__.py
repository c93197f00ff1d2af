"""Common mistakes in keypoint files: found, and reported in plain words."""

from ampose_tf.lifting.doctor.examination import examine, report
from ampose_tf.lifting.doctor.findings import (
    CERTAIN,
    KINDS,
    LIKELY,
    POSSIBLE,
    Finding,
)

__all__ = [
    "CERTAIN",
    "KINDS",
    "LIKELY",
    "POSSIBLE",
    "Finding",
    "examine",
    "report",
]
