"""The control loop: who moves the arm now, and what of it is told and recorded."""
