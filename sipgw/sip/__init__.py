"""SIP (RFC 3261 and friends): a sans-IO user agent core and its asyncio driver. It knows no RTP beyond SDP text."""
