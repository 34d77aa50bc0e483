"""The simulated world: robot, tasks, looks, physics, cameras."""
