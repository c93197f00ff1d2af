"""Errors of predicted poses, as Human3.6M and MPI-INF-3DHP define them."""

from typing import TYPE_CHECKING

from ampose_tf import lazy

if TYPE_CHECKING:
    from ampose_tf.evaluation.metrics import auc, mpjpe, n_mpjpe, p_mpjpe, pck
else:
    __getattr__, __dir__ = lazy.names(
        __name__,
        {
            "auc": "ampose_tf.evaluation.metrics:auc",
            "mpjpe": "ampose_tf.evaluation.metrics:mpjpe",
            "n_mpjpe": "ampose_tf.evaluation.metrics:n_mpjpe",
            "p_mpjpe": "ampose_tf.evaluation.metrics:p_mpjpe",
            "pck": "ampose_tf.evaluation.metrics:pck",
        },
    )

__all__ = ["auc", "mpjpe", "n_mpjpe", "p_mpjpe", "pck"]
