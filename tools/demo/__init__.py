"""./triptych demo: the same conversation on every panel, side by side."""
