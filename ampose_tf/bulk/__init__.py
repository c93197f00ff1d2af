"""Bulk lifting with Apache Beam: `python -m ampose_tf.bulk`."""
