"""The media plane: RTP, jitter buffer, paced playout, DTMF. It knows neither SIP nor AI."""
