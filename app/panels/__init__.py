"""The docks of the window. A panel never imports another panel."""
