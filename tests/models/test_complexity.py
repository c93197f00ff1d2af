import pytest

from ampose_tf import published
from ampose_tf.models import complexity
from ampose_tf.models.ampose import AMPose
from ampose_tf.skeleton import H36M_17


@pytest.mark.parametrize(
    ("design", "macs", "parameters", "convolutions"),
    [
        ("ours", 312.256, 18.386, 2),
        ("two_residual", 312.256, 18.386, 2),
        ("transformer", 289.843, 17.073, 1),
        ("convnext", 289.930, 17.073, 1),
    ],
)
def test_the_papers_table_4(design, macs, parameters, convolutions):
    """Spec, sections 2.1 and 2.3."""
    counted = complexity.count(AMPose(H36M_17.adjacency(), gcn=design))
    assert round(counted["counted_macs"] / 1e6, 3) == macs
    assert round(counted["counted_parameters"] / 1e6, 3) == parameters
    assert counted["attention_macs"] == 5 * 2 * 17 * 17 * 512
    assert counted["graph_macs"] == convolutions * 5 * 3 * 17 * 17 * 512
    dense = 311.995 if convolutions == 2 else 289.713
    assert round(counted["dense_macs"] / 1e6, 3) == dense
    row = next(
        row for row in published.figures()["table_4"] if row["gcn"] == design
    )
    cut = int(10 * macs) / 10, int(10 * parameters) / 10
    printed = row["million_macs"], row["million_parameters"]
    if design == "two_residual":
        assert printed == (cut[0], 18.5)  # unexplained
    else:
        assert printed == cut


def test_the_report():
    small = AMPose(H36M_17.adjacency(), depth=1, width=8, heads=2)
    counts = {"ours": complexity.count(small)}
    counts["none"] = counts["ours"] | {"parameters": 1_234_000}
    header, ours, none = complexity.as_text(counts).splitlines()
    assert header.split()[0] == "design"
    assert ours.endswith("18.3/312.2")
    assert none.split()[:2] == ["none", "1.234"]
    assert len(none) < len(ours)
