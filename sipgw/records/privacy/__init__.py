"""What is private is taken out."""
