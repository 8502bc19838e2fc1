"""An agent's own server as its brain, in the messages of ConversationRelay: the server thinks, we control the call."""
