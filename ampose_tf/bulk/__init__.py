"""Lifting in bulk on Apache Beam: `python -m ampose_tf.bulk`."""
