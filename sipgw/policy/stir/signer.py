"""Signs the caller's number of our outgoing calls (RFC 8224 §6.1, RFC 8588)."""

from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from uuid import uuid4

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from agent.rules.rule_error import RuleError
from sipgw.config.stir import StirOptions
from sipgw.policy.stir.certificates import seconds
from sipgw.sip.passport import SIGNATURE, base64url, digits, encoded

Fields = tuple[tuple[str, str], ...]


KEY = ("stir", "key")


class StirSigner:
    """Signs with the key of `options`. Raises `RuleError`."""

    def __init__(self, options: StirOptions, now: Callable[[], float] = seconds) -> None:
        self._options = options
        self._key = _load(options.key)
        self._now = now
        self._origid = str(uuid4())
        """Identifies this gateway until it stops (RFC 8588 §5)."""

    def fields(self, caller: str, called: str) -> Fields:
        """The headers of a call; empty if one of the numbers is not in E.164, because no verifier could compare it."""
        if not (caller.startswith("+") and called.startswith("+")):
            return ()
        now, url = int(self._now()), self._options.x5u
        signed = encoded(
            {"alg": "ES256", "ppt": "shaken", "typ": "passport", "x5u": url},
            {
                "attest": self._options.attest,
                "dest": {"tn": [digits(called)]},
                "iat": now,
                "orig": {"tn": digits(caller)},
                "origid": self._origid,
            },
        )
        halves = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        signature = base64url(b"".join(half.to_bytes(SIGNATURE // 2, "big") for half in halves))
        identity = f"{signed}.{signature};info=<{url}>;alg=ES256;ppt=shaken"
        return (("Date", formatdate(now, usegmt=True)), ("Identity", identity))


def _load(path: str) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(Path(path).read_bytes(), None)
    except OSError as error:
        raise RuleError(f"{path}: {error.strerror}", KEY) from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise RuleError(f"{path} has no private key in PEM without a password", KEY) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise RuleError(f"{path} has no EC key of the curve P-256, which ES256 needs", KEY)
    return key
