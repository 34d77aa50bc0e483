"""Headless core of VINN Workbench: simulation, recording, learning, retrieval, evaluation. Never imports Qt."""

__version__ = "0.1.0"
