"""Runs the network in bulk under several runtimes, one process each.

Used by `bulk.py`. In one process, the runtimes would affect each other:
threads that wait for work take time from the others.
"""

import contextlib
import json
import pathlib
import subprocess
import sys
import time
import warnings

import numpy as np

_ROOT = pathlib.Path(__file__).resolve().parents[1]
_MATRIX = 1024  # Rows and columns of the matrices for the limit.
LIMIT = "matrix product, the limit"
OURS = "ampose_tf"


class Process(contextlib.AbstractContextManager):
    """Holds a loaded peer, and lets it lift on request.

    Args:
        name: One of `PEERS`.
        folder: Folder that `write` has written to.

    Attributes:
        poses_3d: Its predictions for the first poses, (N, J, 3); empty for
            the limit.
    """

    def __init__(self, name, folder):
        self._name = name
        self._child = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.bulk_peers", name, folder],
            # So that the package `benchmarks` is found.
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.poses_3d = np.array(self._answer())

    def seconds(self) -> list[float]:
        """Returns seconds of wall and processor time for all poses."""
        self._child.stdin.write("\n")
        self._child.stdin.flush()
        return self._answer()

    def __exit__(self, *_):
        self._child.communicate()

    def _answer(self):
        line = self._child.stdout.readline()
        if not line:
            raise ValueError(f"{self._name}: its process ended")
        return json.loads(line)


def write(folder: pathlib.Path, name: str, count: int) -> int:
    """Writes the input of the peers: the released model and random poses.

    Args:
        folder: Output folder.
        name: Name of the released model.
        count: Number of poses.

    Returns:
        Multiplications per pose.
    """
    import torch

    from ampose_tf import weights
    from ampose_tf.models import complexity, stored
    from benchmarks import torch_peer

    random = np.random.default_rng(0)
    arrays = {
        "keypoints_2d": random.uniform(-1, 1, (count, 17, 2)),
        "seen": random.random((count, 17)) > 0.1,
    }
    arrays = {n: array.astype(np.float32) for n, array in arrays.items()}
    np.savez(folder / "inputs.npz", **arrays)
    model = stored.load(weights.RELEASED[name])
    torch_peer.save(model, folder / "peer.pt")
    with warnings.catch_warnings():
        # The older exporter, for shapes that the trace keeps; the newer one
        # needs another package.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            torch_peer.load(folder / "peer.pt").eval(),
            tuple(torch.from_numpy(array[:256]) for array in arrays.values()),
            str(folder / "peer.onnx"),
            input_names=list(arrays),
            opset_version=20,
            dynamo=False,
        )
    counted = complexity.count(model)
    macs = sum(
        counted[kind]
        for kind in ("dense_macs", "attention_macs", "graph_macs")
    )
    described = {"name": name, "macs": macs}
    (folder / "model.json").write_text(json.dumps(described))
    return macs


def _ours(folder):
    from ampose_tf import weights
    from ampose_tf.lifting.predictor import load_predictor

    predict = load_predictor(weights.LIFTING[_described(folder)["name"]])
    return lambda keypoints_2d, seen: predict(keypoints_2d, seen)


def _torch(batch, compiled=False):
    def load(folder):
        import torch

        from benchmarks import torch_peer

        peer = torch_peer.load(folder / "peer.pt").eval()
        called = torch.compile(peer) if compiled else peer

        @torch.inference_mode()
        def lift(**arrays):
            tensors = {n: torch.from_numpy(a) for n, a in arrays.items()}
            return _by_batches(called, batch, tensors)

        return lift

    return load


def _onnx_runtime(folder):
    import onnxruntime

    session = onnxruntime.InferenceSession(
        folder / "peer.onnx", providers=["CPUExecutionProvider"]
    )

    def call(**arrays):
        return session.run(None, arrays)[0]

    return lambda **arrays: _by_batches(call, 256, arrays)


def _product(folder):
    """Multiplies as often as the network, in one square matrix product."""
    import torch

    macs = _described(folder)["macs"]
    matrix = torch.rand(_MATRIX, _MATRIX)

    def multiply(keypoints_2d, seen):
        del seen
        for _ in range(round(macs * len(keypoints_2d) / _MATRIX**3)):
            torch.mm(matrix, matrix)
        return np.empty((0, 17, 3))

    return multiply


# Each loads the files of `write` as a function of all poses at once.
PEERS = {
    OURS: _ours,
    "torch eager, batch 64": _torch(64),
    "torch eager, batch 256": _torch(256),
    "torch.compile, batch 64": _torch(64, compiled=True),
    "torch.compile, batch 256": _torch(256, compiled=True),
    "ONNX Runtime, batch 256": _onnx_runtime,
    LIMIT: _product,
}


def _by_batches(call, size, arrays):
    count = len(arrays["keypoints_2d"])
    return np.concatenate(
        [
            np.asarray(call(**{n: a[i : i + size] for n, a in arrays.items()}))
            for i in range(0, count, size)
        ]
    )


def _described(folder):
    return json.loads((folder / "model.json").read_text())


def _serve(name, folder):
    folder = pathlib.Path(folder)
    with np.load(folder / "inputs.npz") as stored:
        arrays = dict(stored)
    lift = PEERS[name](folder)
    # Compiles and warms up.
    poses_3d = lift(**arrays)
    print(json.dumps(poses_3d[:32].tolist()), flush=True)
    for _ in sys.stdin:
        wall, processor = time.perf_counter(), time.process_time()
        lift(**arrays)
        taken = [
            time.perf_counter() - wall,
            time.process_time() - processor,
        ]
        print(json.dumps(taken), flush=True)


if __name__ == "__main__":
    _serve(*sys.argv[1:])
