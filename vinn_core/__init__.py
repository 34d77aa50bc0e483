"""Headless core of VINN Workbench: simulation, recording, learning, retrieval, evaluation. Never imports Qt."""

import ctypes.util
import os
import sys

__version__ = "0.1.0"

# Here, because MuJoCo imports what it names when it is first imported, and several modules of this package import it.
# Where MuJoCo was first, `vinn_core.world.rendering` heeds it all the same.
# EGL needs no display; OSMesa is the software fallback.
if "MUJOCO_GL" not in os.environ and sys.platform.startswith("linux"):
    os.environ["MUJOCO_GL"] = "egl" if ctypes.util.find_library("EGL") else "osmesa"

# Likewise read once, by NumPy's OpenBLAS. Its threads would make results depend on the number of cores, and processes
# that roll out beside each other would wait for one another's threads: four times slower, measured on two cores.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
