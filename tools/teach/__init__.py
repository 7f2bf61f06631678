"""./triptych teach: the sheets of the lessons, with the output of today."""
