"""An agent's own server as its brain, in the messages of ConversationRelay: it thinks, we hold the call."""
