"""STIR/SHAKEN: signed caller numbers, verified and made."""
