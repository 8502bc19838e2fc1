"""Tools that drive a gateway from outside. No other package imports them; entry points make them commands."""
