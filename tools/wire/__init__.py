"""./triptych wire: the bytes on the wire, recorded, decoded, shown."""
