"""./triptych net: two network namespaces and a line between them."""
