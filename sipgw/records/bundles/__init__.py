"""Bundles: everything of a call that `sipgw replay` needs to hold it again."""
