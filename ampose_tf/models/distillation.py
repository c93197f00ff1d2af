"""A trained network that teaches a smaller one.

The teacher answers for the very keypoints that the student was given: the
same view, errors and gaps. A true pose is one of the many that look alike in
2D, and drawn noise and hidden joints make them more; the teacher's answer is
nearly their middle, which is all that a network can learn, without the chance
of the one that happened to be true. Exact keypoints, which drawn cameras would
have for it, would bring that chance back: the exact answer, the truth, is
known already. "A good teacher is patient and consistent" (Beyer et al., CVPR
2022) found the same of images: student and teacher must see one view.

Poses are all that is compared. Features of networks of different widths need
a learnt map between them, which would be trained and thrown away.
"""

import keras
from keras import ops

from ampose_tf.models.ampose import AMPose
from ampose_tf.models.losses import mpjpe_mm


class Distillation(keras.Model):
    """A student that learns from the truth and from a teacher's poses.

    The loss that it is compiled with is taken of both, in `fit` and in
    `evaluate`: `(1 - weight) * loss(truth, student) + weight * loss(teacher,
    student)`. `to_teacher_mm` is logged besides, the MPJPE between the two.

    The teacher is no part of it: neither `variables` nor files have it.
    `keras.distillation.Distiller` keeps it as a layer, whose weights every
    checkpoint would repeat.

    Args:
        student: What is trained. It stays a model of its own.
        teacher: An AMPose with the student's inputs, which stays as it is.
        weight: The teacher's share of the loss, 0 to 1.

    Call arguments and Returns are those of the student.
    """

    def __init__(self, student: AMPose, teacher: AMPose, weight: float):
        super().__init__(student.input, student(student.input))
        # As in AMPose, without which `compile` scales no float16 loss.
        self.dtype_policy = student.dtype_policy
        self.student = student
        self.weight = weight
        self.to_teacher = keras.metrics.Mean(name="to_teacher_mm")
        # A function, since Keras counts in every model that is an attribute.
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
        """Returns an uncompiled copy of the student, as `AMPose.rebuilt`."""
        return self.student.rebuilt(dtype)
