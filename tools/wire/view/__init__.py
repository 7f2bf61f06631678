"""./triptych wire: runs an exchange through the tap and shows what the decoder says."""
