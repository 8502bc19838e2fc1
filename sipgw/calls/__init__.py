"""Running calls."""
