"""Finds common mistakes in keypoint files and reports them in plain words."""

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
