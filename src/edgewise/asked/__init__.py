"""What is asked: bodies, decoded and validated into one normal form."""
