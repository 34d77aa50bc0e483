"""How an encoder is trained: BYOL, its views, its probe, and the choice of weights at the end."""
