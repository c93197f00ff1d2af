"""The writers of benchmarks/downloads.py, for tests."""

import importlib.util
import pathlib

_PATH = pathlib.Path(__file__).parents[1] / "benchmarks" / "downloads.py"
_SPEC = importlib.util.spec_from_file_location("downloads", _PATH)
_MODULE = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_MODULE)

H36M_OF_3DHP = _MODULE.H36M_OF_3DHP
annotations = _MODULE.annotations
write_annotations = _MODULE.write_annotations
write_cdf = _MODULE.write_cdf
write_recording = _MODULE.write_recording
write_human36m = _MODULE.write_human36m
write_mpi_inf_3dhp = _MODULE.write_mpi_inf_3dhp
