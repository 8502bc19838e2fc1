"""The transport to browsers: ICE, DTLS and SRTP by aiortc in a process of its own."""
