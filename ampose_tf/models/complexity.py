r"""Counts parameters and multiplications of the GCN block designs.

    python -m ampose_tf.models.complexity

Counts the layers of the paper's network and prints the results next to the
paper's Table 4.
"""

import dataclasses

import numpy as np

from ampose_tf import config, published
from ampose_tf.models import layers
from ampose_tf.models.ampose import AMPose
from ampose_tf.skeleton import H36M_17

(DESIGNS,) = (
    field.metadata["choices"]
    for field in dataclasses.fields(config.Model)
    if field.name == "gcn"
)

_EXPLANATION = """\
parameters  all trainable parameters, in millions
dense       multiplications of the dense layers for one pose, in millions
attention   queries times keys, and weights times values
graph       aggregation by the adjacency, as a dense product
as counted  as the paper appears to have counted (thop 0.0.31): parameters
            of dense layers only, and the multiplications of dense layers
            plus one per bias and joint of each graph convolution and of
            ConvNeXt's dense layers, which would be convolutions there;
            truncated after the first decimal, seven of the paper's eight
            figures agree. "Two residual" has the layers of "ours"; why the
            paper reports 0.2 million more parameters for it is not known.
paper       Table 4, where "FLOPs" are multiplications"""


def count(model: AMPose) -> dict:
    """Counts a model's parameters and multiplications for one pose.

    Returns:
        `parameters`, `dense_macs`, `attention_macs`, `graph_macs` and,
        counted as in the paper, `counted_parameters` and `counted_macs`.
    """
    joints = model.adjacency.shape[1]
    counted = dict.fromkeys(
        (
            "parameters",
            "dense_macs",
            "attention_macs",
            "graph_macs",
            "counted_parameters",
            "counted_macs",
        ),
        0,
    )
    counted["parameters"] = sum(
        int(np.prod(variable.shape)) for variable in model.trainable_variables
    )
    # Only dense layers have a kernel, whatever layer they are part of.
    kernels = [w for w in model.weights if w.name == "kernel"]
    dense = {_owner(kernel) for kernel in kernels}
    counted["counted_parameters"] = sum(
        int(np.prod(weight.shape))
        for weight in model.weights
        if _owner(weight) in dense
    )
    for kernel in kernels:
        counted["dense_macs"] += joints * int(np.prod(kernel.shape))
    counted["counted_macs"] = counted["dense_macs"]
    for layer in model.layers:
        if isinstance(layer, layers.TransformerEncoder):
            counted["attention_macs"] += 2 * joints**2 * layer.width
        elif isinstance(layer, layers.GCNBlock):
            for conv in layer.convs:
                groups = conv.adjacency.shape[0]
                counted["graph_macs"] += groups * joints**2 * conv.units
                counted["counted_macs"] += _biases(conv.dense, joints)
            if layer.design == "convnext":
                counted["counted_macs"] += _biases(layer.mlp.expand, joints)
                counted["counted_macs"] += _biases(layer.mlp.contract, joints)
    return counted


def _owner(weight):
    """Returns the path of the layer that a weight belongs to."""
    return weight.path.rpartition("/")[0]


def _biases(dense, joints):
    return joints * dense.units if dense.use_bias else 0


def as_text(counts: dict) -> str:
    """Returns the table for {design: result of `count`}."""
    rows = {row["gcn"]: row for row in published.figures()["table_4"]}
    lines = [
        f"{'design':14}{'parameters':>11}{'dense':>9}{'attention':>11}"
        f"{'graph':>7}{'as counted':>17}{'paper':>15}"
    ]
    for design, counted in counts.items():
        millions = {name: value / 1e6 for name, value in counted.items()}
        line = (
            f"{design:14}{millions['parameters']:11.3f}"
            f"{millions['dense_macs']:9.3f}{millions['attention_macs']:11.3f}"
            f"{millions['graph_macs']:7.3f}"
            f"{millions['counted_parameters']:9.3f}/"
            f"{millions['counted_macs']:7.3f}"
        )
        if design in rows:
            row = rows[design]
            line += (
                f"{row['million_parameters']:9.1f}/{row['million_macs']:5.1f}"
            )
        lines.append(line)
    return "\n".join(lines)


def define_flags(flag_values):
    """Defines no flags: there are no options."""


def main(options):
    counts = {}
    for design in DESIGNS:
        counts[design] = count(AMPose(H36M_17.adjacency(), gcn=design))
    print(f"{as_text(counts)}\n\n{_EXPLANATION}")


if __name__ == "__main__":
    config.run(main, define_flags)
