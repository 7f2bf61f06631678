"""./triptych bench: how fast, how steady, at what cost."""
