"""SIP (RFC 3261 and its extensions): a sans-IO user agent core and its asyncio driver. RTP is here only text of SDP."""
