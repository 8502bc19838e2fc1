"""RTP, RTCP and SRTP: the packets, the source they are accepted from, and the statistics that RTCP reports."""
