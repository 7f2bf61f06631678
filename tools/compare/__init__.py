"""./triptych diff and size: two panels next to each other, and what each takes."""
