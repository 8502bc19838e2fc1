"""Gets the discovery document and the keys of the dashboard's identity provider; nobody signs in."""

from sipgw.config.oidc import OidcOptions
from sipgw.tools.doctor.finding import Finding, bad, good

IDS = {
    "unreachable": "oidc.unreachable", "refused": "oidc.unreachable", "issuer": "oidc.issuer",
    "unsuited": "oidc.unsuited",
}  # fmt: skip
"""The id of the finding for each `sipgw.web.oidc.provider.OidcError.fault`."""


async def examine(options: OidcOptions) -> Finding:
    """The finding on the identity provider."""
    from sipgw.web.oidc.identity import signing_keys
    from sipgw.web.oidc.provider import OidcError, OidcProvider

    about, provider = "sign-in (oidc)", OidcProvider(options)
    try:
        keys = signing_keys(await provider.keys())
    except OidcError as error:
        return bad(IDS[error.fault], about, f"{options.issuer}: {error}")
    if not keys:
        return bad("oidc.keys", about, f"{options.issuer}: none of its keys signs by RS256, ES256 or PS256")
    return good("oidc.ok", about, f"{options.issuer} has {len(keys)} keys; it must know {options.redirect_uri}")
