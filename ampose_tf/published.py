"""Figures stated in papers, from published.json."""

import functools
import importlib.resources
import json


@functools.cache
def figures() -> dict:
    """Returns the tables of the AMPose paper, as far as they are known here.

    `table_1` and `table_2`: MPJPE in mm on Human3.6M with CPN's 2D and with
    ground-truth 2D; `table_3`: PCK and AUC on MPI-INF-3DHP; `table_4`: the
    designs of the GCN block. Each is a list of rows, in which `joints` is the
    number of joints, if known.
    """
    file = importlib.resources.files(__package__) / "published.json"
    return json.loads(file.read_text(encoding="utf-8"))
