"""Driving the arm and recording it."""
