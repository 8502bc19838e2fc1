"""The dashboard: pages, the REST interface and their sign-in, served by the gateway itself."""
