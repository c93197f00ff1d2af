"""Exports as export.py does them, in one call."""

from ampose_tf import exporting
from ampose_tf.export.artefacts import Choice


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
