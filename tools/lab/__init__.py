"""./triptych lab: runs the experiments of lab/experiments."""
