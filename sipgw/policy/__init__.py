"""Policy: admission of incoming calls, the gate for outgoing calls, and cost."""
