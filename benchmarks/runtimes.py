"""Runs a file in one runtime, in a separate process, for `mobile.py`.

In one process, the runtimes would affect each other: through memory, threads
that wait for work, and libraries that are loaded already.
"""

import contextlib
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np

_ROOT = pathlib.Path(__file__).resolve().parents[1]
_WARM_UP = 5


class Process(contextlib.AbstractContextManager):
    """Holds a loaded file, and calls it on request.

    Attributes:
        first_ms: Time from opening the file, after the runtime is imported,
            to the first pose.
        megabytes: Largest growth of the process after that, NaN if the system
            does not report it.
        poses_3d: Predictions for its inputs, (N, J, 3).

    Args:
        runtime: One of `RUNTIMES`.
        path: File for that runtime.
        inputs: .npz file of (N, 1, ...) float32 arrays by name.
        threads: Number of threads of the runtime.

    Raises:
        ValueError: If the runtime fails.
    """

    def __init__(self, runtime, path, inputs, threads=1):
        self._name = f"{runtime}, {path}"
        # Not a pipe: writing to a full pipe that is not read blocks forever.
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._child = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "benchmarks.runtimes",
                runtime,
                pathlib.Path(path).resolve(),
                pathlib.Path(inputs).resolve(),
                str(threads),
            ],
            # So that the package `benchmarks` is found.
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )
        try:
            loaded = self._answer()
        except ValueError:
            self.close()
            raise
        self.first_ms = loaded["first_ms"]
        self.megabytes = loaded["megabytes"]
        self.poses_3d = np.array(loaded["poses_3d"], np.float32)

    def seconds(self, calls: int) -> np.ndarray:
        """Returns the duration of each of some calls, after warming up."""
        self._child.stdin.write(f"{calls}\n")
        self._child.stdin.flush()
        return np.array(self._answer())

    def close(self):
        """Ends the process."""
        self._child.communicate()
        self._said.close()

    def __exit__(self, *_):
        self.close()

    def _answer(self):
        line = self._child.stdout.readline()
        if not line:
            self._child.wait()
            self._said.seek(0)
            said = self._said.read().strip().splitlines()
            raise ValueError(f"{self._name}: {(said or ['ended'])[-1]}")
        return json.loads(line)


def _litert():
    from ai_edge_litert import interpreter as litert

    def load(path, threads):
        loaded = litert.Interpreter(model_path=path, num_threads=threads)
        runner = loaded.get_signature_runner("lift")
        return lambda **arrays: runner(**arrays)["poses_3d"]

    return load


def _onnx_runtime():
    import onnxruntime

    def load(path, threads):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = (
            onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        )
        session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )
        return lambda **arrays: session.run(None, arrays)[0]

    return load


def _pytorch():
    import torch

    from benchmarks import torch_peer

    def load(path, threads):
        torch.set_num_threads(threads)
        peer = torch_peer.load(path)

        @torch.inference_mode()
        def lift(**arrays):
            tensors = {n: torch.from_numpy(a) for n, a in arrays.items()}
            return peer(**tensors).numpy()

        return lift

    return load


# Each imports the runtime and returns a function that loads a file, for some
# threads, as a function of named arrays.
RUNTIMES = {
    "LiteRT": _litert,
    "ONNX Runtime": _onnx_runtime,
    "PyTorch": _pytorch,
}


def memory(field: str) -> float:
    """Returns VmRSS, this process's memory, or VmHWM, its peak, in MB.

    NaN if the system is not Linux.
    """
    status = pathlib.Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith(field):
                return 1.024e-3 * int(line.split()[1])
    return float("nan")


def forget_peak() -> None:
    """Resets VmHWM, because imports use more memory than they keep."""
    # 5: proc_pid_clear_refs(5).
    with contextlib.suppress(OSError):
        pathlib.Path("/proc/self/clear_refs").write_text("5")


def _serve(runtime, path, inputs, threads):
    load = RUNTIMES[runtime]()
    with np.load(inputs) as stored:
        arrays = dict(stored)
    count = len(arrays["keypoints_2d"])
    poses = [{n: a[i] for n, a in arrays.items()} for i in range(count)]
    forget_peak()
    before, start = memory("VmRSS"), time.perf_counter()
    lift = load(path, int(threads))
    lifted = [lift(**poses[0])]
    first = time.perf_counter() - start
    lifted += [lift(**pose) for pose in poses[1:]]
    _say(
        {
            "first_ms": 1e3 * first,
            "megabytes": memory("VmHWM") - before,
            "poses_3d": np.concatenate(lifted).tolist(),
        }
    )
    for line in sys.stdin:
        for _ in range(_WARM_UP):
            lift(**poses[0])
        seconds = []
        for call in range(int(line)):
            pose = poses[call % count]
            start = time.perf_counter()
            lift(**pose)
            seconds.append(time.perf_counter() - start)
        _say(seconds)


def _say(answer):
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _serve(*sys.argv[1:])
