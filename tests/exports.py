"""Small models, and exports as export.py does them, in one call."""

import keras

from ampose_tf import exporting
from ampose_tf.export.artefacts import Choice
from ampose_tf.models.ampose import AMPose
from ampose_tf.skeleton import H36M_17


def model_of(seed=3, skeleton=H36M_17, **design):
    """Returns an untrained lifter that is as small as possible."""
    keras.utils.set_random_seed(seed)
    small = {"depth": 1, "width": 8, "heads": 2, "normalisation": "longest"}
    return AMPose(skeleton.adjacency(), **small | design)


def export(
    config,
    model_path,
    poses,
    output,
    *formats,
    training=None,
    origin=None,
    **choice,
):
    """Makes the files of a `Choice`, and returns their report."""
    request = exporting.request(
        config,
        model_path,
        validation=poses,
        choice=Choice(formats, **choice),
        training=training,
        origin=origin,
    )
    return exporting.export(request, output)
