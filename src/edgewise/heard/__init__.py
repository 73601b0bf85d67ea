"""What came back from Workers AI, in every flavour."""
