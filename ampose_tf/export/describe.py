r"""Prints the metadata, inputs, outputs and operators of a `.tflite` file.

    python -m ampose_tf.export.describe runs/demo/export/ampose_float32.tflite

The description consists of `ampose.json` inside the file, the tensors of each
signature, operators, types of weights, the parts that XNNPACK executes, and
the processors that may run the file.
"""

import collections
import pathlib
import textwrap

from absl import flags

from ampose_tf import confined, reading
from ampose_tf.config import commandline
from ampose_tf.export import flatbuffer, operators, processors, runtime
from ampose_tf.export.checks import tflite_files


def describe(path: pathlib.Path) -> str:
    """Returns the description of a file, as text.

    Raises:
        OSError: If the file does not exist.
        ValueError: If the file is damaged, or is not a `.tflite` file of this
            project.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    try:
        tflite_files.check_file(path)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    known = runtime.metadata(path)
    tables = runtime.tables(path)
    lines = [f"{path}: {path.stat().st_size:,} bytes", ""]
    for name, value in known.items():
        lines += _wrapped(name, value)
    for name, tensors in _run(runtime.signature_shapes, path).items():
        taken, given = (
            ", ".join(f"{n} {tuple(shape)}" for n, shape in of.items())
            for of in (tensors["inputs"], tensors["outputs"])
        )
        lines += ["", f"signature {name}({taken}) -> {given}"]
    subgraphs = flatbuffer.operators(tables)
    for index, subgraph in enumerate(subgraphs):
        counted = collections.Counter(o.name for o in subgraph)
        lines += [
            "",
            f"operators of subgraph {index}: {len(subgraph)}",
            *(f"  {n:5d} {name}" for name, n in sorted(counted.items())),
        ]
    stored = collections.Counter()
    for tensors in flatbuffer.tensors(tables):
        for tensor in tensors:
            kind = "constant" if tensor.constant else "computed"
            stored[f"{tensor.type}, {kind}"] += 1
    lines += ["", "tensors"]
    lines += [f"  {n:5d} {kind}" for kind, n in sorted(stored.items())]
    faults = [
        operators.fault(subgraph, tensors)
        for subgraph, tensors in zip(
            subgraphs, flatbuffer.tensors(tables), strict=True
        )
    ]
    faults = [fault for fault in faults if fault] or ["nothing known"]
    lines += [
        "",
        *(
            f"operators run for {name} (DELEGATE is XNNPACK): {_counts(plan)}"
            for name, plan in _run(runtime.plans, path).items()
        ),
        f"not supported by delegates: {'; '.join(faults)}",
        "",
    ]
    for processor, known in processors.runs_on(tables).items():
        lines += _filled(
            f"runs on {processor}: {known['verdict']}; {known['why']}"
        )
        for source in known["sources"]:
            lines += _filled(f"  {source}")
    return "\n".join(map(reading.escaped, lines))


def _run(function, path):
    """Calls a function that runs LiteRT on a file in a separate process."""
    try:
        return confined.call(function, str(path), seconds=14, memory=2**31)
    except ValueError as error:
        if str(error).startswith(str(path)):
            raise
        raise ValueError(f"{path}: {error}") from error


def _wrapped(name, value):
    if isinstance(value, dict):
        inner = [line for n, v in value.items() for line in _wrapped(n, v)]
        return [f"{name}:", *(f"  {line}" for line in inner)]
    if isinstance(value, float):
        value = f"{value:.4g}"
    return _filled(f"{name}: {value}")


def _filled(text):
    return textwrap.wrap(
        text,
        79,
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _counts(plan):
    return ", ".join(f"{n} {operator}" for operator, n in plan.items())


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines no flags; `main` only accepts paths."""


def main(options: flags.FlagValues, paths: list[str]) -> None:
    """Prints the description of each file."""
    for argument in paths:
        print(describe(pathlib.Path(argument)))


if __name__ == "__main__":
    commandline.run(main, define_flags, named=".tflite files")
