"""Wrong configurations, as in `tests.config.gateway_rows`: providers, and agents with their files.

A line `== agents/x.toml` begins another file.
"""

ROWS = r"""
[openai]
model = "x"
max_tokens = 0  #! openai.max_tokens: must be at least 1

openai.url = "wss://x"  #! openai.url: must begin with https://

openai.url = "https://a b"  #! openai.url: must be like https://example.com

openai.extra = { a = inf }  #! openai.extra: holds texts, finite numbers, true and false

openai.extra = { a = [[[[[[1]]]]]] }  #! openai.extra: holds at most

openai.extra = { store = true }  #! openai.extra.store: cannot be set: the gateway decides on it

[openai.extra]
top_p = 0.5
temperature = 9  #! openai.extra.temperature: must be a number from 0 to 2

[openai_stt.extra]
noise_reduction = { type = "x" }  #! openai_stt.extra.noise_reduction.type: must be one of near_field, far_field

[openai_stt]
extra = { noise_reduction = 1 }  #! openai_stt.extra.noise_reduction: must be a table

[anthropic]
model = "claude-opus-5-5"  #! anthropic.model: claude-opus-5-5 always thinks, so reasoning_effort must be set

[assemblyai.extra]
max_turn_silence = 100
min_turn_silence = 200  #! assemblyai.extra.min_turn_silence: min_turn_silence must be at most max_turn_silence

[assemblyai]
model = "universal-streaming"
extra = { prompt = "x" }  #! assemblyai.extra.prompt: extra.prompt is a text for Universal-3 models

assemblyai.model = "whisper-rt"  #! assemblyai.model: whisper-rt is not supported, which takes no turns

[assemblyai]
model = "universal-streaming"
mode = "balanced"  #! assemblyai.mode: mode is for universal-3-5-pro and later models

assemblyai_agent.extra = { x = 1 }  #! assemblyai_agent.extra.x: is none of

cartesia.extra = { turn_end_threshold = 0.45 }  #! cartesia.extra.turn_end_threshold: needs turn_end_threshold below

cartesia.model = "ink-whisper"  #! cartesia.model: ink-whisper is not supported, which takes no turns: take ink-2

[deepgram]
model = "flux-general-en"
redact = ["pci"]  #! deepgram.redact: redact: flux models take one of

[deepgram]
model = "flux-general-multi"
language = "xx"  #! deepgram.language: flux models know the languages

[deepgram]
model = "flux-general-en"
extra = { eot_threshold = 0.5, eager_eot_threshold = 0.6 }  #! deepgram.extra.eot_threshold: eot_threshold must be at

[deepgram]
model = "nova-3"
extra = { eot_threshold = 0.5 }  #! deepgram.extra.eot_threshold: extra.eot_threshold is for Flux, not for nova-3

[elevenlabs]
model = "eleven_v3"  #! elevenlabs.model: transport 'websocket' does not serve eleven_v3

openai_stt.model = "gpt-realtime-whisper"  #! openai_stt.model: gpt-realtime-whisper finds no ends of turns

openai_live.backend = ""  #! openai_live.backend: is missing: it calls the tools

[openai_realtime.extra.audio.input.turn_detection]
type = "semantic_vad"
threshold = 0.5  #! openai_realtime.extra.audio.input.turn_detection.threshold: is not for semantic_vad

[openai_realtime]
transcription = ""
[openai_realtime.extra.audio.input]
transcription = { language = "de" }  #! openai_realtime.extra.audio.input.transcription: needs a model

local.threads = 0  #! local.threads: must be from 1 to 64

local.turn = 9  #! local.turn: must be between 50ms and 4s

[agent]
tts = "elevenlabs"  #! agent.tts: 'elevenlabs' needs a key: set ELEVENLABS_API_KEY in .env

[agent]
llm_backup = ["local", "openai_backup"]  #! agent.llm_backup: 'openai_backup' needs a key: set

#% agent.providers.provider.find_spec
[anthropic]
api_key = "${SECRET}"
[agent]
llm = "anthropic"  #! agent.llm: 'anthropic' needs a package that is not installed: pip install

#% sipgw.agents.providers.find_spec
[[mcp]]  #! mcp: [[mcp]] needs a package that is not installed: pip install "sipgw[mcp]"
name = "x"
url = "https://x"
tools = ["*"]

[[languages]]
code = "de"
tts = "deepgrm"  #! languages.0.tts: 'deepgrm' is none of

[failover]
first_token = 5  #! failover.first_token: with 3 models it must be below
[openai]
api_key = "${SECRET}"
[openai_backup]
url = "http://127.0.0.1:9/v1"
[agent]
llm = "openai"
llm_backup = ["openai_backup", "local"]

[report]
goal = "sell"  #! report.goal: [report] goal needs a language model of a service, not 'local': see [agent] llm

#% sipgw.agents.knowledge.requirements.find_spec
[knowledge]
folder = "."  #! knowledge.folder: [knowledge] embeddings = "local" needs a package that is not installed

[knowledge]
folder = "."
embeddings = "service"  #! knowledge.embeddings: [knowledge] embeddings = "service" needs a key: set OPENAI_API_KEY

[cartesia]
api_key = "${SECRET}"
[agent]
stt = "cartesia"
keyterms = [@terms]  #! agent.keyterms: must be at most 100, of 1200 characters together

[deepgram]
api_key = "${SECRET}"
[agent]
stt = "deepgram"
keyterms = [" "]  #! agent.keyterms: at most 100 terms of at most

[elevenlabs_stt]
api_key = "${SECRET}"
[agent]
stt = "elevenlabs"
keyterms = [" "]  #! agent.keyterms: at most

transfer.music = "none.wav"  #! transfer.music:

agent.ambience = "silent.wav"  #! agent.ambience: silent.wav is silent

agent.thinking_sound = "short.wav"  #! agent.thinking_sound: short.wav must be from 1 to 130 s long

agent.ambience = "tools.py"  #! agent.ambience:

turns.model = "none.onnx"  #! turns.model: 'none.onnx': there is no file none.onnx

knowledge.folder = "none"  #! knowledge.folder: there is no folder none; make it

agent.variables = ["caller"]  #! agent.variables: 'caller' is taken, or not made of letters, digits and _

agent.variables = ["@hundred"]  #! agent.variables: more than 50

[agent]
business = "x"
greeting = "Hi {{nme}}"  #! agent.greeting: there is no {{nme}}; known: business, caller

[[languages]]
code = "de"
sentences = { emergency = "{{x}}" }  #! languages.0.sentences.emergency: there is no {{x}}; known:

[agent]
brain = "wss://brain.example"
brain_parameters = { id = "{{x}}" }  #! agent.brain_parameters.id: there is no {{x}}; known:

agent.tools = "none.py"  #! agent.tools: none.py: there is no such Python file

[agent]
tools = "taken.py"  #! agent.tools: taken.py: tool hang_up: the gateway has one of that name; give it another

[prefetch]
tool = "find"  #! prefetch.tool: the file of tools has no 'find'; it has none

[agent]
tools = "tools.py"
[prefetch]
tool = "fnd"  #! prefetch.tool: the file of tools has no 'fnd'; it has find, book

[agent]
tools = "tools.py"
[prefetch]
tool = "book"  #! prefetch.tool: 'book' changes something; name a tool that only looks up data

[agent]
tools = "tools.py"
[prefetch]
tool = "find"
argument = "no"  #! prefetch.argument: 'find' has no parameter 'no'; its parameters are number: write argument

[agent]
brain = "wss://brain.example"
[knowledge]
folder = "."  #! knowledge.folder: the brain of the agent gets no documents; look them up there

[agent]
brain = "wss://brain.example"
[prefetch]
tool = "find"  #! prefetch.tool: the brain of the agent is not told what is found; look it up there

messages.mail_to = ["a@b.example"]  #! messages.mail_to: needs a server that takes mail: [mail] host

[[routes]]
agent = "agent"
trunk = "browzer"  #! routes.0.trunk: 'browzer' is no trunk; did you mean 'browser'?

[[routes]]
agent = "slaes"  #! routes.0.agent: 'slaes' is no agent; did you mean 'sales'?
== agents/sales.toml
about = "sales"

[[tenants]]
name = "a"
agents = ["zzz"]  #! tenants.0.agents: 'zzz' is no agent; there are: agent

[embed]
agent = "zzz"  #! embed.agent: 'zzz' is no agent; there are: agent
origins = ["https://a.example"]

[agent]
hand_over = ["zzz"]  #! agent.hand_over: 'zzz' is no agent; there are: agent

== agents/sales.toml
about = "sales"
hand_over = ["agnt"]  #! hand_over: 'agnt' is no agent; did you mean 'agent'?

== agents/sales.toml
about = "sales"
hand_over = ["other"]  #! hand_over: 'other' has its own server as its brain, which cannot take over calls
== agents/other.toml
about = "other"
brain = "wss://brain.example"

openai_realtime.api_key = "${SECRET}"
== agents/sales.toml
about = "sales"
realtime = "openai"
hand_over = ["agent"]  #! hand_over: 'agent' and 'sales' need both a realtime model, or neither

[[tenants]]
name = "acme"
agents = ["sales"]
== agents/sales.toml
about = "sales"
hand_over = ["agent"]  #! hand_over: 'agent' belongs to another tenant

== agents/sales.md
+++
about = "sales"
+++

You know {{x}}.  #! prompt: there is no {{x}}; known:

== agents/sales.md
+++
about = "sales"
[turns]
reprompts = -1  #! turns.reprompts: must be 0 or more
+++
You are nice.

[deepgram]
extra = { endpointing = 100 }
model = "nova-3"
== agents/sales.toml
about = "sales"
[deepgram]
model = "flux-general-en"  #! deepgram.model: extra.endpointing is for Nova, not for flux-general-en

[openai_realtime]
transcription = "x"
[openai_realtime.extra.audio.input]
transcription = { language = "de" }
== agents/sales.toml
about = "sales"
[openai_realtime]
transcription = ""  #! openai_realtime.transcription: needs a model: transcription = "" has none

[gate]
stop_key = "1"
== agents/sales.toml
about = "sales"
[recording]
consent = "key"  #! recording.consent: [gate] stop_key cannot be 1 with [recording] consent

[cartesia]
api_key = "${SECRET}"
[agent]
stt = "cartesia"
[[languages]]  #! languages: the agent is to speak Spanish, which Cartesia's ink-2 does not understand
code = "es"

[stir]
roots = "none.pem"  #! stir.roots: none.pem: No such file or directory

[stir]
roots = "tools.py"  #! stir.roots: tools.py has no certificates in PEM

[stir]
x5u = "https://x.example/a.pem"
key = "none.pem"  #! stir.key: none.pem: No such file or directory

[stir]
x5u = "https://x.example/a.pem"
key = "tools.py"  #! stir.key: tools.py has no private key in PEM without a password

[stir]
x5u = "https://x.example/a.pem"
key = "p384.pem"  #! stir.key: p384.pem has no EC key of the curve P-256, which ES256 needs
"""
