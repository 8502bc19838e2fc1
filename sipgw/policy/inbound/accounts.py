"""Accounts: softphones, desk phones and PBXs that prove who they are by a password."""
