"""Wrong configurations, as in `tests.config.gateway_rows`: trunks, rules between tables, turns, MCP servers."""

ROWS = r"""
@trunk
@trunk
user = "a:b"  #! trunks.1.user: must have no colon; write the password as password

[[trunks]]
name = "a"
mode = "register"  #! trunks.0.mode: trunk 'a' registers, so it needs 'registrar' and 'user'

[[trunks]]
name = "a"
mode = "peer"  #! trunks.0.mode: trunk 'a' is a peer, so it needs 'networks'

[[trunks]]
name = "a"
mode = "peer"
networks = ["x"]  #! trunks.0.networks: 'x' does not appear to be

@trunk
domain = "sip:"  #! trunks.0.domain: no host

@trunk
transfer_to = "123"
refer_to = "mailto:{number}@x"  #! trunks.0.refer_to: mailto:123@x is not a SIP address

@trunk
outbound_proxy = "sip:ann:pw@host"  #! trunks.0.outbound_proxy: an address of a trunk holds no password

@trunk
options_every = 1  #! trunks.0.options_every: must be at least

@trunk
caller_name = "a\"b"  #! trunks.0.caller_name: must be without quotes

@trunk
country = "Germany"  #! trunks.0.country: a country is two letters like "US" or "DE", not 'Germany'

@trunk
caller_ids = ["x"]  #! trunks.0.caller_ids:

@trunk
refer_to = "sip:{e164}@x"
transfer_to = "123"  #! trunks.0.transfer_to: '123' needs + and its country code for refer_to

@trunk
transfer_to = "123"
refer_to = "sip:{number}{x}@x"  #! trunks.0.refer_to: 'sip:{number}{x}@x' has a placeholder

@trunk
transfer_to = "123"
refer_to = "sip:ann:pw@{number}"  #! trunks.0.refer_to: an address of a trunk holds no password

@trunk
transfer_to = "123"
refer_to = "sip:"  #! trunks.0.refer_to: no host

@trunk
[[trunks]]
name = "a"  #! trunks.1.name: two trunks are called 'a'
mode = "peer"
networks = ["10.0.0.1"]

[[languages]]
code = "de"
[[languages]]
voice_id = "x"
code = "de"  #! languages.1.code: two languages are called 'de'

[[accounts]]
user = "ann"
password = "${SECRET}"
[[accounts]]
user = "ann"  #! accounts.1.user: two accounts are called 'ann'
password = "${SECRET}"

[[tenants]]
name = "a"
agents = []
[[tenants]]
name = "a"  #! tenants.1.name: two tenants are called 'a'
agents = []

[[webhooks]]
url = "https://crm.example"
secret = "${SECRET}"
name = "[mail]"  #! webhooks.0.name: two webhooks are called '[mail]'

[[people]]
name = "ann"
to = "+4930123456"
holidays = "XX"  #! people.0.holidays: 'XX' is no country or region

@trunk
test_number = "112"  #! trunks.0.test_number: trunk 'a': '112' reaches the emergency number 112

@trunk
proof = "digest"  #! trunks.0.proof: trunk 'a' asks for a password, but no [[accounts]] has its name

@trunk
verdicts = ["passed"]  #! trunks.0.verdicts: trunk 'a': nobody checks signatures without [stir] roots

[[routes]]
agent = "agent"
verdicts = ["passed"]  #! routes.0.verdicts: [[routes]] agent = 'agent': nobody checks signatures

[[accounts]]
user = "ann"
password = "${SECRET}"
trunk = "x"  #! accounts.0.trunk: the account 'ann' names a trunk 'x' that is not there; there are: none

@trunk
[[people]]
name = "ann"
to = "+4930123456"
trunk = "aa"  #! people.0.trunk: [[people]] 'ann' names a trunk 'aa' that is not there; did you mean 'a'?

[[people]]
name = "ann"
to = "sip:112@10.0.0.9"  #! people.0.to: [[people]] 'ann': '112' reaches the emergency number 112

[[accounts]]
user = "ann"
password = "${SECRET}"
[[people]]
name = "ann"
to = "sip:ann"
mode = "refer"  #! people.0.mode: [[people]] 'ann' has a phone here: its mode must be "bridge" or "warm"

[recording]
consent = "key"
[gate]
per_day = 1
stop_key = "1"  #! gate.stop_key: [gate] stop_key cannot be 1 with [recording] consent

[agent]
brain = "wss://brain.example"
[recording]
consent = "key"  #! recording.consent: [recording] consent cannot be "key" with [agent] brain

[[tenants]]
name = "A"  #! tenants.0.name: 'A' must be 1 to 40 small letters, digits and hyphens
agents = []

[[tenants]]
name = "a"
agents = ["x"]
[[tenants]]
name = "b"
agents = ["x"]  #! tenants.1.agents: two agents of tenants are called 'x'

[[webhooks]]
url = "https://crm.example"
secret = "${SECRET}"
name = "a/b"  #! webhooks.0.name: [[webhooks]] 'a/b': a name has no slash

[[tenants]]
name = "acme"
agents = []
[[webhooks]]
name = "crm"
url = "https://crm.example"
secret = "${SECRET}"
tenant = "acne"  #! webhooks.0.tenant: [[webhooks]] 'crm' names a tenant 'acne' that is not there; did you mean 'acme'?

[[tenants]]
name = "acme"
agents = []
[[webhooks]]
url = "https://crm.example"
secret = "${SECRET}"
name = "@sixty"  #! webhooks.0.name: [[webhooks]] '@sixty': name and tenant have more than
tenant = "acme"

[[tenants]]
name = "acme"
agents = []
[[webhooks]]
name = "crm"
url = "https://crm.example"
secret = "${SECRET}"
tenant = "acme"
agents = ["agent"]  #! webhooks.0.agents: [[webhooks]] 'crm': 'agent' is no agent of 'acme'

[browser]
max_calls = 0
[embed]
origins = ["https://a.example"]  #! embed.origins: [embed] needs calls from browsers

[embed]
origins = ["https://a.example"]
[browser]
turn = ["turn:turn.example.com:3478"]
turn_user = "ann"
turn_password = "${SECRET}"  #! browser.turn_password: [embed] gives every visitor what [browser] turn needs

[agent]
brain = "http://x"  #! agent.brain: it must be like wss://example.com/relay

[agent]
brain = "wss://x.example"  #! agent.brain: brain goes not with realtime, which
realtime = "openai"

agent.ambience_level = -90  #! agent.ambience_level: must be from -70 to -25 dBm0

[[languages]]
voice_id = "x"
code = "xx"  #! languages.0.code: 'xx' is not one of

turns.reprompt_after = 0  #! turns.reprompt_after: must be positive

turns.reprompts = -1  #! turns.reprompts: must be 0 or more

[turns]
endpointing_delay = "2s"
max_endpointing_delay = "1s"  #! turns.max_endpointing_delay: max_endpointing_delay must be at least

[[mcp]]
name = "x"  #! mcp.0.name: an MCP server has either a command or a url
tools = ["*"]

[[mcp]]
name = "x"
url = "https://x"
tools = []  #! mcp.0.tools: name the tools that the agent may call

[[mcp]]
name = "x"
url = "https://x"
tools = ["a"]
confirm = ["a"]
reads = ["a"]  #! mcp.0.reads: a cannot both read only and change something

[[mcp]]
name = "x"
url = "https://x"
tools = ["a"]
confirm = ["b"]  #! mcp.0.confirm: b is not one of the tools: a

[[mcp]]
name = "x"
url = "ftp://x"  #! mcp.0.url: must begin with https:// or http://
tools = ["*"]

[[mcp]]
name = "x"
url = "https://x"
tools = ["*"]
timeout = 0  #! mcp.0.timeout: must be positive

[[mcp]]
name = "x"
url = "https://x"
tools = ["*"]
headers = ["${SECRET}"]  #! mcp.0.headers: a line of headers is Name: value; ':' is missing

failover.first_token = 0  #! failover.first_token: must be positive

failover.first_sound = 60  #! failover.first_sound: must be below

"""
