"""What the window knows and does behind its panels; nothing here is drawn."""
