r"""Measures how the time of a `.tflite` is distributed over its operators.

    python -m benchmarks.operator_times
    python -m benchmarks.operator_times --model=ampose_b --formats=float32

LiteRT's Python package times only whole calls, and XNNPACK runs the whole
graph as one operator. Therefore all operators of a kind are put into a
separate graph, with their inputs and outputs. Its processor time is measured
in alternation with that of the whole graph, because a machine's speed varies.
The results are the costs of each kind in isolation: together they exceed the
whole, in which tensors share memory and are still in the caches when they are
read. A model takes a minute.

For dense layers, the table also states the multiplications and additions per
second, counting only joints that exist: kernels that work on tiles of rows
also compute the rows that fill the last tile.
"""

import collections
import copy
import dataclasses
import tempfile
import time

import numpy as np
from absl import flags

from ampose_tf import config
from benchmarks import timed_models

_CALLS = 10  # per graph and round
_DENSE = "FULLY_CONNECTED"
_WHOLE = "the whole"


@dataclasses.dataclass
class Kind:
    """All operators of one name.

    Attributes:
        count: Number of operators.
        operations: Multiplications and additions of dense layers.
    """

    count: int = 0
    operations: int = 0


def define_flags(flag_values):
    timed_models.define_flag(flag_values)
    flags.DEFINE_list(
        "formats",
        ["float32", "dynamic_int8"],
        "Formats of the .tflite files.",
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "rounds",
        30,
        "Number of measurements per graph.",
        lower_bound=1,
        flag_values=flag_values,
    )


def main(options):
    from ampose_tf.export import flatbuffer, runtime

    for name in options.model:
        model, described, path = timed_models.load(name)
        with tempfile.TemporaryDirectory() as folder:
            for format in options.formats:
                file = timed_models.file_of(model, path, format, folder)
                whole = runtime.tables(file)
                found = kinds(whole)
                graphs = {_WHOLE: file.read_bytes()}
                for kind in found:
                    graphs[kind] = flatbuffer.write(alone(whole, kind))
                seconds = times(graphs, options.rounds)
                print(as_text(f"{described}, {format}", found, seconds))
                print(flush=True)


def running(whole):
    """Returns the operators that run in a call, by their positions.

    Operators that read only constants run when the file is loaded, such as
    those that convert float16 weights to float32.

    Args:
        whole: The tables of a file with one signature.
    """
    from ampose_tf.export import flatbuffer

    (operators,) = flatbuffer.operators(whole)
    return {
        place: operator
        for place, operator in enumerate(operators)
        if not all(tensor.constant for tensor in operator.inputs)
    }


def kinds(whole):
    """Returns {name: Kind} of the operators that run.

    Args:
        whole: See `running`.
    """
    found = collections.defaultdict(Kind)
    for operator in running(whole).values():
        kind = found[operator.name]
        kind.count += 1
        if operator.name == _DENSE:
            inputs, kernel = operator.inputs[:2]
            rows = np.prod(inputs.shape[:-1], dtype=int)
            kind.operations += 2 * int(rows) * int(np.prod(kernel.shape))
    return dict(found)


def alone(whole, name):
    """Returns the tables of a graph with one kind's operators only.

    Args:
        whole: See `running`; what is computed at load time stays in it.
        name: Name of the kind.
    """
    from ampose_tf.export import flatbuffer

    part = copy.copy(whole)
    subgraph = copy.copy(whole.subgraphs[0])
    known = running(whole)
    (operators,) = flatbuffer.operators(whole)
    chosen = [place for place, o in known.items() if o.name == name]
    loaded = [place for place in range(len(operators)) if place not in known]
    made = [i for p in loaded for i in subgraph.operators[p].outputs]
    subgraph.inputs = list(
        dict.fromkeys(
            int(index)
            for place in chosen
            for index, tensor in zip(
                _read(subgraph.operators[place]),
                operators[place].inputs,
                strict=True,
            )
            if not tensor.constant and index not in made
        )
    )
    subgraph.outputs = [
        int(index)
        for place in chosen
        for index in subgraph.operators[place].outputs
    ]
    subgraph.operators = [
        subgraph.operators[place] for place in sorted(loaded + chosen)
    ]
    part.subgraphs, part.signatureDefs = [subgraph], []
    return part


def _read(operator):
    """Returns the tensors that an operator reads; -1 means none."""
    return [index for index in operator.inputs if index >= 0]


def times(graphs, rounds):
    """Returns the processor time per call of each graph in s, by name.

    Args:
        graphs: Contents of `.tflite` files by name, including `_WHOLE`.
        rounds: Number of measurements. The result is the median ratio to the
            whole graph's time just before, times the whole's median.
    """
    timers = {name: _timer(content) for name, content in graphs.items()}
    taken = np.array(
        [[timer() for timer in timers.values()] for _ in range(rounds)]
    )
    whole = taken[:, list(timers).index(_WHOLE), None]
    seconds = np.median(taken / whole, axis=0) * np.median(whole)
    return dict(zip(timers, seconds.tolist(), strict=True))


def _timer(content):
    """Returns a function that returns the processor time of a call in s."""
    from ai_edge_litert import interpreter as litert

    graph = litert.Interpreter(model_content=content, num_threads=1)
    graph.allocate_tensors()
    random = np.random.default_rng(0)
    for detail in graph.get_input_details():
        array = random.uniform(0.1, 1, detail["shape"])
        graph.set_tensor(detail["index"], array.astype(detail["dtype"]))
    graph.invoke()

    def timed():
        graph.invoke()
        start = time.process_time()
        for _ in range(_CALLS):
            graph.invoke()
        return (time.process_time() - start) / _CALLS

    return timed


def as_text(described, found, seconds):
    """Returns a Markdown table, the slowest kind first.

    Args:
        described: Description of what was timed.
        found: From `kinds`.
        seconds: From `times`.
    """
    whole = seconds[_WHOLE]
    rows = [
        f"| {described} | count | ms | of the whole | Gop/s |",
        "|---" * 5 + "|",
    ]
    for name in sorted(found, key=seconds.get, reverse=True):
        kind, rate = found[name], ""
        if kind.operations:
            rate = f"{kind.operations / seconds[name] / 1e9:.0f}"
        rows.append(
            f"| {name} | {kind.count} | {1e3 * seconds[name]:.3f} | "
            f"{seconds[name] / whole:.0%} | {rate} |"
        )
    count = sum(kind.count for kind in found.values())
    together = sum(seconds[name] for name in found)
    rows.append(
        f"| the kinds, one by one | {count} | {1e3 * together:.3f} | "
        f"{together / whole:.0%} | |"
    )
    rows.append(f"| {_WHOLE} | {count} | {1e3 * whole:.3f} | 100% | |")
    return "\n".join(rows)


if __name__ == "__main__":
    config.run(main, define_flags)
