"""The window: PySide6 around `vinn_core`."""
