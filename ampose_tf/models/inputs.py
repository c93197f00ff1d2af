"""Input channels of the embedding, beyond the paper's x and y."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="ampose_tf")
class InputChannels(keras.layers.Layer):
    """Computes the input channels of the embedding from keypoints.

    With `frame="person"`, x and y are relative to the mean of the seen joints
    and divided by their spread (the root mean squared distance from that
    mean); mean and spread follow as further channels. The pose then no longer
    changes with the person's place and size in the image, while the
    perspective that these imply remains available.

    If `seen` is given, the last channel states which joints were seen, and
    all other channels of unseen joints are 0. The embedding thus maps all
    unseen joints to the same vector; together with the position embeddings it
    acts like one learned token per joint.

    Args:
        frame: `"screen"` or `"person"`.

    Call arguments:
        inputs: keypoints_2d (B, J, 2), or a list of keypoints_2d and seen
            (B, J), which is 1 or 0.

    Returns:
        (B, J, C): x, y; in the person's frame also mean x, mean y, spread;
        seen, if given.
    """

    def __init__(self, frame="screen", **kwargs):
        super().__init__(**kwargs)
        if frame not in ("screen", "person"):
            raise ValueError(
                f"Unknown frame {frame!r}; expected screen, person"
            )
        self.frame = frame

    def call(self, inputs):
        if isinstance(inputs, (list, tuple)):
            keypoints, seen = inputs
            seen = ops.expand_dims(seen, -1)  # (B, J, 1)
            told = [seen]
        else:
            keypoints, told = inputs, []
            seen = ops.ones_like(keypoints[..., :1])
        keypoints = keypoints * seen
        if self.frame == "screen":
            return ops.concatenate([keypoints, *told], axis=-1)
        count = ops.maximum(ops.sum(seen, axis=1, keepdims=True), 1.0)
        middle = ops.sum(keypoints, axis=1, keepdims=True) / count
        keypoints = (keypoints - middle) * seen
        squared = ops.sum(ops.square(keypoints), axis=(1, 2), keepdims=True)
        spread = ops.sqrt(squared / count + 1e-8)  # (B, 1, 1)
        place = ops.concatenate([middle, spread], axis=-1)  # (B, 1, 3)
        return ops.concatenate(
            [keypoints / spread, place * seen, *told], axis=-1
        )

    def compute_output_shape(self, input_shape):
        told = isinstance(input_shape[0], (list, tuple))
        shape = input_shape[0] if told else input_shape
        channels = {"screen": 2, "person": 5}[self.frame]
        return (*shape[:-1], channels + told)

    def get_config(self):
        return super().get_config() | {"frame": self.frame}
