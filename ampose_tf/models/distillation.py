"""Distillation: a trained network teaches a smaller one.

The teacher receives the same keypoints as the student: the same view, errors
and gaps. A true pose is one of many that look the same in 2D, and noise and
hidden joints add more. The teacher's prediction is close to their mean, which
is the most that a network can learn, without the randomness of a single true
pose. A teacher that received exact keypoints would bring that randomness
back: it would predict the true pose, which is known already. "A good teacher
is patient and consistent" (Beyer et al., CVPR 2022) found the same for images:
student and teacher must see the same view.

Only poses are compared. Comparing features of networks of different widths
needs a learned map between them, which would be discarded after training.
"""

import keras
from keras import ops

from ampose_tf.models.ampose import AMPose
from ampose_tf.models.losses import mpjpe_mm


class Distillation(keras.Model):
    """A student that learns from the truth and from a teacher's poses.

    The loss given to `compile` is applied to both, in `fit` and in
    `evaluate`: `(1 - weight) * loss(truth, student) + weight * loss(teacher,
    student)`. `to_teacher_mm`, the MPJPE between the two, is logged as well.

    The teacher is not part of this model: neither `variables` nor saved files
    include it. `keras.distillation.Distiller` keeps the teacher as a layer,
    so that every checkpoint repeats its weights.

    Args:
        student: The model to train. It remains a separate model.
        teacher: An AMPose with the student's inputs; it is not changed.
        weight: The teacher's share of the loss, 0 to 1.

    Call arguments and return value are those of the student.
    """

    def __init__(self, student: AMPose, teacher: AMPose, weight: float):
        super().__init__(student.input, student(student.input))
        # As in AMPose: `compile` needs it to scale float16 losses.
        self.dtype_policy = student.dtype_policy
        self.student = student
        self.weight = weight
        self.to_teacher = keras.metrics.Mean(name="to_teacher_mm")
        # A function, because Keras tracks every model that is an attribute.
        self._taught = lambda inputs: ops.stop_gradient(
            teacher(inputs, training=False)
        )

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        taught = self._taught(x)
        self.to_teacher.update_state(mpjpe_mm(taught, y_pred))
        compiled = super().compute_loss
        truth = compiled(x, y, y_pred, sample_weight, training)
        teacher = compiled(x, taught, y_pred, sample_weight, training)
        return (1 - self.weight) * truth + self.weight * teacher

    def rebuilt(self, dtype: str = "float32") -> AMPose:
        """Returns an uncompiled copy of the student, see `AMPose.rebuilt`."""
        return self.student.rebuilt(dtype)
