"""`sipgw eval`: how good are the ears, the agent and its providers, on the same sound?"""
