"""`sipgw eval`: how good are the STT, the agent and its providers, on the same sound?"""
