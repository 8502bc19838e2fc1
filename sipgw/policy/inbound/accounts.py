"""Accounts: softphones, desk phones and PBXs that authenticate by a password."""
