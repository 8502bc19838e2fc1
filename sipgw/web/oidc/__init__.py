"""Sign-in by an identity provider: OpenID Connect Core 1.0, authorization code with PKCE (RFC 7636, RFC 9700)."""
