"""Kamailio from Debian as the edge of a carrier: UDP, TCP and TLS, a registrar with digest, Record-Route, and STUN."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.waiting import HANG

CONFIG = """\
#!KAMAILIO
debug=1
log_stderror=yes
fork=yes
children=1
tcp_children=1
enable_tls=yes
auto_aliases=no
listen=udp:127.0.0.1:{port}
listen=tcp:127.0.0.1:{port}
listen=tls:127.0.0.1:{tls_port}
{alias}
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules/"
loadmodule "kex.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "nathelper.so"
loadmodule "auth.so"
loadmodule "stun.so"
loadmodule "tls.so"
modparam("tls", "tls_method", "TLSv1.2+")
modparam("tls", "certificate", "{certificate}")
modparam("tls", "private_key", "{certificate}")
modparam("rr", "enable_double_rr", 1)
modparam("registrar|nathelper", "received_avp", "$avp(RECEIVED)")
{flows}
request_route {{
  if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
  if (is_method("REGISTER")) {{
    if (!pv_www_authenticate("carrier", "s3cret", "0")) {{ www_challenge("carrier", "0"); exit; }}
    {register}
    save("location");
    exit;
  }}
  if (has_totag()) {{
    loose_route();
    {in_dialog}
    t_relay();
    exit;
  }}
  if (is_method("CANCEL")) {{ t_relay(); exit; }}
  record_route();
  if (!lookup("location")) {{ sl_send_reply("404", "Not Found"); exit; }}
  t_relay();
}}
onreply_route {{
  {reply}
  return 1;
}}
"""

FLOWS = """modparam("registrar", "outbound_mode", 1)
modparam("registrar", "flow_timer", {})"""
PROXY = """\
#!KAMAILIO
log_stderror=yes
children=1
auto_aliases=no
listen=udp:127.0.0.1:{port}
listen=tcp:127.0.0.1:{port}
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules/"
loadmodule "kex.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "pv.so"
request_route {{
  $du = "sip:127.0.0.1:{there}";
  t_relay();
}}
"""


@contextlib.contextmanager
def kamailio(
    folder: Path,
    port: int,
    tls_port: int,
    certificate: Path,
    domain: str = "",
    *,
    nat: bool = True,
    flow_timer: int = 0,
) -> Iterator[None]:
    """Run it until the block ends; user ``agent`` with password ``s3cret`` may register.

    With `nat` it sends to where we were seen, as carriers do; without, to our Contact, as the textbook says. With a
    `flow_timer` it takes part in flows (RFC 5626).
    """
    config = CONFIG.format(
        port=port,
        tls_port=tls_port,
        certificate=certificate,
        alias=f'alias="{domain}"' if domain else "",
        register="fix_nated_register();" if nat else "",
        in_dialog="handle_ruri_alias();" if nat else "",
        reply="set_contact_alias();" if nat else "",
        flows=FLOWS.format(flow_timer) if flow_timer else "",
    )
    with _running(folder, "kamailio", config, tls_port):
        yield


@contextlib.contextmanager
def plain_proxy(folder: Path, port: int, there: int) -> Iterator[None]:
    """A proxy before the server at port `there`, which knows nothing of flows and leaves no Record-Route."""
    with _running(folder, "proxy", PROXY.format(port=port, there=there), port):
        yield


@contextlib.contextmanager
def _running(folder: Path, name: str, config: str, port: int) -> Iterator[None]:
    """Run it until the block ends, which begins when it listens on TCP port `port`."""
    (folder / f"{name}.cfg").write_text(config)
    (folder / name).mkdir(exist_ok=True)
    command = ["kamailio", "-f", str(folder / f"{name}.cfg"), "-DD", "-E", "-m", "32", "-M", "8"]
    log = folder / f"{name}.log"
    with log.open("w") as out:
        process = subprocess.Popen([*command, "-Y", str(folder / name)], stdout=out, stderr=out)
    try:
        until = time.monotonic() + HANG
        while not _listens(port):
            assert process.poll() is None and time.monotonic() < until, log.read_text()[-3000:]
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(HANG)


def _listens(port: int) -> bool:
    import socket

    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
