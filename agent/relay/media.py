"""Media that an agent's server plays to a caller: downloaded, and converted to mu-law.

WAV (PCM or mu-law, any rate, mono or stereo) is read here; all else, MP3 above all, by PyAV, the extra ``opus``.
"""

import asyncio
import contextlib
import io
import struct
import urllib.parse
from importlib.util import find_spec

import httpx2

from agent.authorities import tls
from agent.bodies import TooLargeError, within
from agent.line import SAMPLE_RATE
from agent.pinned import PrivateAddress, ask, not_of_cloud
from agent.pool import Pool, PoolFullError
from agent.relay.call import is_local
from agent.relay.messages import RelayFault
from agent.resample import Decimator
from agent.ulaw import audioop, from_linear

LIMIT = 4.0
"""Seconds within which a medium has to be downloaded."""
LARGEST = 4 << 20
"""Most bytes of the file."""
LONGEST = 300
"""Most seconds of a medium that are played."""
NAMES = Pool("the names of brains' media", workers=4, waiting=16)
DECODING = Pool("the media of brains", workers=2, waiting=16)
_PCM, _ALAW, _ULAW, _EXTENSIBLE = 1, 6, 7, 0xFFFE
_WIDTHS = {_PCM: (1, 2, 3, 4), _ALAW: (1,), _ULAW: (1,)}
"""Allowed numbers of bytes in a sample, by format."""


async def fetched(source: str) -> bytes:
    """The mu-law sound of the medium at the URL `source`. Raises `RelayFault` with a text for the server's author."""
    try:
        parts = urllib.parse.urlsplit(source)
        scheme, host = parts.scheme, parts.hostname or ""
    except ValueError:
        scheme = host = ""
    if scheme not in ("https", "http") or not host:
        raise RelayFault("play: source must be an https:// URL")
    if scheme == "http" and not is_local(host):
        raise RelayFault("play: source must be an https:// URL, unless its host is local")
    try:
        async with asyncio.timeout(LIMIT):
            file = await _fetch(httpx2.URL(source))
            return await DECODING.run(_decoded, file)
    except TimeoutError:
        raise RelayFault(f"play: the source did not arrive within {LIMIT:g} s") from None
    except PrivateAddress:
        raise RelayFault("play: source must not be an address where a cloud keeps secrets") from None
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, UnicodeError) as error:
        raise RelayFault(f"play: the source cannot be fetched ({type(error).__name__})") from None
    except PoolFullError:
        raise RelayFault("play: too many media are being fetched and decoded") from None


async def _fetch(source: httpx2.URL) -> bytes:
    async with (
        httpx2.AsyncClient(verify=tls(), event_hooks=within(LARGEST)) as client,
        contextlib.AsyncExitStack() as stack,
    ):
        response = await ask(client, "GET", source, NAMES, not_of_cloud)
        stack.push_async_callback(response.aclose)
        if response.status_code != httpx2.codes.OK:
            raise RelayFault(f"play: the source answered HTTP {response.status_code}")
        try:
            return await response.aread()
        except TooLargeError:
            raise RelayFault(f"play: a source has at most {LARGEST >> 20} MB, and is not packed") from None


def _decoded(file: bytes) -> bytes:
    try:
        sound = _wav(file) if file[:4] == b"RIFF" else _other(file)
    except (struct.error, audioop.error, ValueError):
        raise RelayFault("play: the source is not a sound file that can be read") from None
    if not sound:
        raise RelayFault("play: the source has no sound")
    return sound[: LONGEST * SAMPLE_RATE]


def _wav(file: bytes) -> bytes:
    at, form = 12, b""
    while at + 8 <= len(file):
        name, size = file[at : at + 4], int.from_bytes(file[at + 4 : at + 8], "little")
        body = file[at + 8 : at + 8 + size]
        if name == b"fmt ":
            form = body
        elif name == b"data":
            return _converted(form, body)
        at += 8 + size + size % 2
    return b""


def _converted(form: bytes, sound: bytes) -> bytes:
    tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", form)
    if tag == _EXTENSIBLE:
        tag = int.from_bytes(form[24:26], "little")
    width = bits // 8
    if channels not in (1, 2) or not 4000 <= rate <= 192_000 or width not in _WIDTHS.get(tag, ()):
        raise ValueError("not a media type that can be played")
    if (tag, channels, rate) == (_ULAW, 1, SAMPLE_RATE):
        return sound
    sound = sound[: len(sound) // (width * channels) * width * channels]
    if tag == _ULAW:
        sound = audioop.ulaw2lin(sound, 2)
    elif tag == _ALAW:
        sound = audioop.alaw2lin(sound, 2)
    else:  # one byte is unsigned
        sound = audioop.lin2lin(audioop.bias(sound, 1, 128) if width == 1 else sound, width, 2)
    if channels == 2:
        sound = audioop.tomono(sound, 2, 0.5, 0.5)
    step = -(-rate // SAMPLE_RATE)
    if rate != step * SAMPLE_RATE:  # upwards, which needs no filter
        sound, _ = audioop.ratecv(sound, 2, 1, rate, step * SAMPLE_RATE, None)
    if step > 1:
        decimator = Decimator(step)
        sound = decimator.feed(sound) + decimator.finish()
    return from_linear(sound)


def _other(file: bytes) -> bytes:
    if find_spec("av") is None:
        raise RelayFault('play: here only WAV can be read; others need pip install "sipgw[opus]"')
    import av

    sound = bytearray()
    try:
        with av.open(io.BytesIO(file), "r") as container:
            resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
            for frame in container.decode(audio=0):
                for piece in resampler.resample(frame):
                    sound += piece.to_ndarray().tobytes()
                if len(sound) > 2 * LONGEST * SAMPLE_RATE:
                    break
    except (av.FFmpegError, IndexError):
        raise ValueError("not a media type that can be played") from None
    return from_linear(bytes(sound))
