"""The writers of benchmarks/downloads.py, for tests."""

from tests.scripts import benchmark

_MODULE = benchmark("downloads")

H36M_OF_3DHP = _MODULE.H36M_OF_3DHP
annotations = _MODULE.annotations
write_annotations = _MODULE.write_annotations
write_cdf = _MODULE.write_cdf
write_recording = _MODULE.write_recording
write_human36m = _MODULE.write_human36m
write_mpi_inf_3dhp = _MODULE.write_mpi_inf_3dhp
