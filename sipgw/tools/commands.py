"""The commands of the tools, for the entry point group `sipgw.commands`. Nothing is imported until one is used."""

COMMANDS = {
    "demo": (
        "sipgw.tools.demo.command:demo",
        "Let a built-in caller hold a conversation with the embedded agent over real SIP and RTP.",
    ),
    "init": (
        "sipgw.tools.init.command:init",
        "Ask for the configuration and try it; or write the configuration of a carrier, PBX, phone or model server.",
    ),
    "doctor": (
        "sipgw.tools.doctor.command:doctor",
        "Find out why a trunk or a provider does not work. Exit status 1 if something fails, 2 for bad input.",
    ),
    "simulate": (
        "sipgw.tools.simulate.command:simulate_command",
        "Hold a scripted call over a bad network with bad providers. Exit status 1 if turns broke, 2 for bad input.",
    ),
    "replay": (
        "sipgw.tools.replay.command:replay_command",
        "Replay recorded calls with the present code. Exit status 1 if one is different, 2 if a bundle is broken.",
    ),
    "load": (
        "sipgw.tools.load.command:load_command",
        "Find out how many calls this machine holds. Exit status 1 if the service level broke, 2 for bad input.",
    ),
    "eval": (
        "sipgw.tools.evaluation.command:eval_command",
        "Find out how good an agent and its providers are. Exit status 1 if a goal was missed, 2 for bad input.",
    ),
}
"""For each command: its place (module and function), and a sentence of help."""
