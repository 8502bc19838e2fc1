"""All faults that the doctor can find: verdict, likely cause, and the line or portal field to change."""

from typing import Final, Literal, NamedTuple


class FaultDescription(NamedTuple):
    """The texts for one fault. ``{blanks}`` in them are filled from the evidence."""

    verdict: Literal["warn", "fail"]
    cause: str
    fix: str


def _fail(cause: str, fix: str) -> FaultDescription:
    return FaultDescription("fail", cause, fix)


def _warn(cause: str, fix: str) -> FaultDescription:
    return FaultDescription("warn", cause, fix)


CATALOGUE: Final[dict[str, FaultDescription]] = {
    # This machine
    "local.sip-host": _fail(
        "[sip] host is not an address of this machine",
        '[sip] host = "0.0.0.0" for all addresses; the address that others see is [sip] public_address',
    ),
    "local.sip-port": _warn(
        "another program listens there; if it is `sipgw serve`, nothing is wrong",
        "stop the other program, or set [sip] port to a free one",
    ),
    "local.rtp-range": _warn(
        "{calls} calls may come at once and the range has room for {room}",
        "[media] port_range = [16384, 32766], and open the same range for UDP in the firewall",
    ),
    "local.rtp-ports": _fail(
        "another program (a PBX, a second gateway) uses the same range", "[media] port_range = a range of your own"
    ),
    "local.descriptors": _warn(
        "each call holds about 8 open files and connections", "LimitNOFILE=65536 in the service, or `ulimit -n 65536`"
    ),
    "local.tls-files": _fail("the file is missing, damaged, or the key is not that of the certificate", "[sip.tls]"),
    "address.wrong": _fail(
        "the router's address has changed, or the value is that of another machine",
        '[sip] public_address = "{seen}", or empty with a stun_server',
    ),
    "address.private": _fail(
        "{own} is a private address, and the gateway does not know the public one",
        '[sip] public_address = "YOUR.PUBLIC.ADDRESS" (or stun_server), and forward the SIP and RTP ports to this machine',
    ),
    "address.private-set": _fail(
        "[sip] public_address is a private address; the carrier's calls and RTP cannot reach it",
        '[sip] public_address = the public address, or empty',
    ),
    "stun.silent": _warn(
        "the server is gone, or the firewall blocks UDP to it",
        "[sip] stun_server = another one, or public_address = a fixed one",
    ),
    "stun.other": _warn(
        "this network has two ways to the Internet, or the NAT maps each destination to another port (symmetric NAT)",
        '[sip] public_address = "{seen}" and a fixed port forwarding; leave stun_server empty',
    ),
    "nat.spotted": _warn(
        "there is a NAT between the gateway and the trunk",
        'nothing, with mode = "register"; otherwise [sip] public_address and port forwarding',
    ),
    "nat.port": _warn(
        "the NAT changes the port, so calls to the listening port do not arrive unless it is forwarded",
        "forward UDP port {port} to this machine in the router",
    ),
    "trunk.none": _warn("no trunk is configured, so no carrier or PBX can call", "`sipgw init` writes one for yours"),
    # A device on the path rewrites SIP
    "alg.via": _fail(
        "a SIP-ALG of the router rewrites SIP on its way",
        "switch SIP-ALG (SIP helper) off in the router, or use ;transport=tls in registrar or domain",
    ),
    "alg.fields": _fail(
        "something on the way changes fields that nobody may change (RFC 3261 §16.6): a SIP-ALG",
        "switch SIP-ALG off in the router, or use ;transport=tls in registrar or domain",
    ),
    "alg.contact": _fail(
        "a SIP-ALG rewrote the gateway's Contact, so incoming calls go to the router, not to the gateway",
        "switch SIP-ALG off in the router, or use ;transport=tls in registrar or domain",
    ),
    "alg.body": _fail(
        "a SIP-ALG changed or shortened the gateway's session description",
        "switch SIP-ALG off in the router, or use ;transport=tls in registrar or domain",
    ),
    # Names
    "resolve.no-name": _fail("the name is mistyped or not set up yet", "{key} = the name that the portal shows"),
    "resolve.dns-silent": _fail(
        "the DNS server is down, or a firewall blocks the way to it", '[sip] dns = ["1.1.1.1"], or repair the resolver'
    ),
    "resolve.no-service": _fail(
        "the domain says by SRV that it has no such service", "{key}: another ;transport= or the name from the portal"
    ),
    "resolve.dangling": _fail(
        "an SRV record of the domain leads to a name without address", "{key} = the host itself, with its port"
    ),
    "resolve.family": _fail(
        "the trunk has addresses of the other IP family only", '[sip] host = "::" (both), or "0.0.0.0" for IPv4'
    ),
    # Reaching the trunk
    "reach.closed": _fail(
        "the machine is there, but nobody listens on that port", "{key}: the right port or ;transport= (portal: SIP port)"
    ),
    "reach.filtered": _fail(
        "a firewall, here or at the other side, drops packets; or the gateway's address is not allowed there",
        "open {transport} port {port} outwards; in the portal, allow the gateway's public address (IP access list)",
    ),
    "reach.udp-silent": _fail(
        "UDP is lost on the way or unwanted there, while TCP gets through", "{key}: add ;transport=tcp"
    ),
    "reach.backup": _warn(
        "one of the redundant servers does not answer: if the others fail, calls fail",
        "tell the carrier; allow it like the others (firewall, IP access list)",
    ),
    "reach.unreachable": _fail("no route leads there", "{key}: the right address; or repair the route or VPN"),
    # TLS
    "tls.expired": _fail("the certificate of the other side has expired", "have the other side renew it; [sip.tls] cannot repair it"),
    "tls.not-yet-valid": _fail(
        "the clock of this machine is behind, or the certificate was made for later", "set the clock (timedatectl set-ntp true)"
    ),
    "tls.wrong-host": _fail(
        "the certificate is for another name than the one that sipgw calls",
        '{key} = the name in the certificate; for a PBX of your own [sip.tls] verify = "authority"',
    ),
    "tls.self-signed": _fail(
        "no known authority signed the certificate (a PBX of your own, or somebody in between)",
        '[sip.tls] ca = "pbx.pem" with that certificate, if it is yours',
    ),
    "tls.missing-intermediate": _fail(
        "the other side sends its certificate without the intermediate one, or the authority is a private one",
        'on the other side: install the full chain; for a private authority [sip.tls] ca = "authority.pem"',
    ),
    "tls.unknown-authority": _fail(
        "the chain ends at an authority that is not trusted here", '[sip.tls] ca = "authority.pem" if you trust it'
    ),
    "tls.old-protocol": _fail(
        "the server speaks only TLS 1.1 or older, which is broken", "have the other side switch TLS 1.2 on, or ;transport=tcp"
    ),
    "tls.not-tls": _fail("the port uses another protocol than TLS", "{key}: the TLS port (mostly 5061), or ;transport=tcp"),
    "tls.client-certificate": _fail(
        "the server accepts only clients with a certificate", '[sip.tls] certificate = "gateway.pem", issued by the other side'
    ),
    "tls.failed": _fail("the handshake failed in a way that is not listed here", "{key}: ;transport=tcp to go on meanwhile"),
    "clock.skew": _warn(
        "one of the clocks is wrong; certificates and signed calls then fail", "timedatectl set-ntp true on this machine"
    ),
    # OPTIONS
    "options.forbidden": _fail(
        "the other side does not know the gateway's address", "portal: IP access list (termination) with the gateway's public address"
    ),
    "options.down": _fail("the trunk says that it takes no calls now", "wait, or choose another region of the carrier"),
    "options.silent": _warn(
        "some carriers do not answer OPTIONS from strangers, or ban an address that asks too often", "nothing, if calls work"
    ),
    "options.codec": _warn(
        "the other side says that it takes no G.711 (PCMU, PCMA)", "portal or PBX: allow codecs PCMU (ulaw) and PCMA (alaw)"
    ),
    # REGISTER
    "register.unsupported": _fail(
        "this carrier sends calls to a fixed address and takes no REGISTER (Twilio, Plivo)",
        'mode = "peer" with networks = the carrier\'s addresses; portal: the gateway\'s address as origination URI',
    ),
    "register.wrong-password": _fail(
        "the password is wrong, or belongs to another user",
        "password = \"${{NAME}}\" of the SIP credential in the portal; auth_user if it differs",
    ),
    "register.unknown-user": _fail("there is no such user there", "user = the SIP user name of the portal"),
    "register.no-password": _fail("the registrar asks for a password and the trunk has none", 'password = "${{TRUNK_PASSWORD}}"'),
    "register.realm": _fail(
        "each challenge is of another realm: proxy and registrar want different credentials, or the domain is wrong",
        "registrar = the domain that the credentials are for; outbound_proxy = the host to which the gateway sends",
    ),
    "register.stale-loop": _fail(
        "each nonce is stale when sipgw answers it: several servers behind one name do not share them",
        "registrar = one server by its own name, or ;transport=tcp; tell the carrier",
    ),
    "register.digest": _fail(
        "the registrar asks for a digest algorithm that is not supported (MD5, SHA-256 and SHA-512-256 are)",
        "portal or PBX: digest authentication with MD5 or SHA-256",
    ),
    "register.interval": _warn("the registrar wants longer registrations", "expires = {least}"),
    "register.interval-loop": _fail("the registrar refuses every interval, even its own minimum", "expires = 3600; tell the carrier"),
    "register.forbidden": _fail(
        "the registrar refuses without asking for a password: the gateway's address, or the user, is barred there",
        "portal: IP access list or ban list (fail2ban on a PBX); connection enabled",
    ),
    "register.refused": _fail(
        "password wrong (Asterisk and others say it this way), account disabled, or address not allowed",
        "password of the SIP credential; portal: connection enabled and the gateway's address allowed",
    ),
    "register.not-bound": _fail(
        "the registrar says 200 without the gateway's address: something on the way changed it, or too many phones share the account",
        "switch SIP-ALG off in the router; portal: one registration per credential, or a higher limit",
    ),
    "register.short": _warn("very short registrations cost traffic and are lost in short outages", "portal: longer expiry"),
    "register.unavailable": _fail("the registrar is there but out of order", "wait, or another region of the carrier"),
    "register.odd": _fail("a registrar does not answer in this way", "registrar = the host that the portal names"),
    "register.silent": _fail(
        "OPTIONS or the connection works but REGISTER gets no answer: the other side filters it by user agent or address",
        "portal: IP access list or ban list",
    ),
    # A call
    "call.wrong-password": _fail(
        "user or password for calls out is wrong", "user and password of the trunk's credential list in the portal"
    ),
    "call.no-password": _fail("calls out need a password and there is none", 'user = "...", password = "${{TRUNK_PASSWORD}}"'),
    "call.forbidden": _fail(
        "the caller ID is not yours at this carrier, there is no outbound profile, the gateway's address is not allowed, or a limit is reached",
        "caller_id = a number of yours at this carrier; portal: outbound (termination) profile, IP access list",
    ),
    "call.caller-id": _fail("the number shown is not one that the carrier lets you show", "caller_id = a number of yours there"),
    "call.number": _fail(
        "the number is not dialled in the form that the carrier wants, or is not in service",
        'number_format = "+e164" (or "e164", "national"); country; the number itself',
    ),
    "call.credit": _fail("no credit, or billing is blocked", "portal: add credit"),
    "call.codec": _fail(
        "the other side does not take G.711 (PCMU, PCMA)", "portal or PBX: allow codecs PCMU (ulaw) and PCMA (alaw)"
    ),
    "call.srtp-required": _fail(
        "the trunk takes encrypted sound only", 'srtp = "required" and ;transport=tls; or portal: SRTP off'
    ),
    "call.answer": _fail(
        "the other side answered with something that the gateway had not offered", "portal or PBX: codecs PCMU and PCMA only, no video, no ZRTP"
    ),
    "call.limit": _fail("too many calls at once or per second for the account", "calls_per_second = 1, or raise the limit in the portal"),
    "call.busy": _warn("the test number is busy or declined", "test_number = one that answers with an echo"),
    "call.no-answer": _warn("nobody answered", "test_number = one that answers with an echo"),
    "call.refused": _fail("the other side refused the call", "see the reason; the carrier's call log tells more"),
    "call.private-media": _fail(
        "the other side's session description names an address inside its network, which the gateway cannot reach",
        "PBX: its external address (externip, external_media_address); NAT = yes",
    ),
    "call.held": _warn("the other side answered on hold: it will not send", "test_number = one that answers with an echo"),
    "audio.dead-both": _fail(
        "RTP is blocked in both directions, or goes to a wrong address",
        "open the UDP ports of [media] port_range; [sip] public_address",
    ),
    "audio.dead-in": _fail(
        "the sound of the other side does not reach the gateway; the gateway's sound arrives there",
        "open UDP {ports} inwards and forward it here; [sip] public_address = the address outside",
    ),
    "audio.dead-out": _fail(
        "the gateway's sound does not reach the other side; the sound of the other side reaches the gateway",
        "open UDP outwards to {host}:{port}; PBX: NAT = yes, no direct media"
    ),
    "audio.keys": _fail(
        "the audio of the other side is not encrypted with the keys that it named: something on the way answers in its place",
        'srtp = "off", or portal: SRTP (secure trunking) off',
    ),
    "audio.lossy": _warn(
        "the line out loses packets: a busy uplink, wireless, or a firewall that limits UDP",
        "call from a cable, with nothing else on the line; give RTP precedence in the router (it is marked DSCP EF)",
    ),
    "audio.unsure-out": _warn(
        "nothing shows whether the gateway's sound arrives at the other side", "test_number = one that answers with an echo"
    ),
    "audio.other-source": _warn(
        "the sound of the other side comes from {sources}, which its session description does not name. It is heard only if it begins in "
        "the first 5 s and nothing comes from {expected}",
        "PBX: its media address (Asterisk: external_media_address, direct_media = no); carrier: ask for its media addresses",
    ),
    # Earlier calls
    "calls.old-schema": _warn(
        "the database is that of an earlier release, so its calls are not looked at; the doctor changes nothing",
        "start this release once with `sipgw serve`: it brings the database up to date",
    ),
    "calls.one-way": _warn("RTP is blocked or refused in one direction", "{fix}"),
    "calls.foreign": _warn(
        "the PBX or carrier sends sound from addresses that it has not announced, or somebody forges it", "{fix}"
    ),
    "calls.refused": _warn("many packets were refused, though sound was heard: other keys, another stream or payload type, reports from elsewhere, checks of ICE", "{fix}"),
    "calls.quality": _warn("the network between the trunk and here loses or delays packets", "{fix}"),
    # Providers
    "provider.key": _fail("the key is wrong, revoked, or of another service", "the API key of {section} in .env"),
    "provider.payment": _fail("the account has no balance or the plan does not include it", "the provider's billing page"),
    "provider.limit": _fail("the account's rate or concurrency limit is reached", "raise it at the provider"),
    "provider.name": _fail("address, model or voice is not known there", "model, voice or URL in {section}"),
    "provider.unreachable": _fail("DNS, firewall, proxy, or the provider is down", "allow HTTPS and WSS outwards; URL in {section}"),
    "provider.refused": _fail("the provider refused this request", "the options in {section}"),
    "provider.slow": _warn("a region that is far away, a small account, or a slow model", "a nearer region or a faster model in {section}"),
    "provider.format": _fail("the sound is not mu-law at 8 kHz, so callers would hear noise", "format options in {section}"),
    "provider.silent": _fail("the provider answered without any content", "model, voice and language in {section}"),
    "provider.deaf": _fail("the provider got speech and sent no words back", "language and model in {section}; audio format there"),
    "provider.missing": _fail("the configuration names a provider, but there is no key for it", "{section}"),
    # The identity provider of the dashboard
    "oidc.unreachable": _fail("DNS, firewall, a wrong address, or the provider is down", "[web.oidc] issuer; allow HTTPS outwards"),
    "oidc.issuer": _fail("the address is an alias, or has a / too many or too few", "[web.oidc] issuer = exactly the issuer that its document names"),
    "oidc.unsuited": _fail("the provider lacks what a safe sign-in needs, or its document leads to addresses that are not used", "at the provider: a client with authorization code, PKCE (S256) and ID tokens signed by RS256, ES256 or PS256"),
    "oidc.keys": _fail("the provider signs ID tokens by a shared secret or another method", "at the provider: ID tokens signed by RS256, ES256 or PS256"),
    # Object storage
    "storage.unusable": _fail("a wrong bucket, region, endpoint or key, or the key may not do this", "[storage] url, endpoint, region and keys; the key needs s3:GetObject, PutObject, DeleteObject, ListBucket and the rights of multipart uploads"),
}  # fmt: skip
"""The fault for each id of a finding."""
