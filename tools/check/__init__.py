"""./triptych test: the contract and the project's own tests."""
