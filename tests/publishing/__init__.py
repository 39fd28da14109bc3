"""What is done with a version when it is given out."""
