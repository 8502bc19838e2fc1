"""Wrong configurations, each with the place and the beginning of what is told: see `tests.config.wrong`."""

ROWS = r"""
[sip]
port = 99999  #! sip.port: must be from 0 to 65535

sip.session_expires = 5  #! sip.session_expires: must be 0 or from 90 to

[sip]
port = 5070
edge = "proxy"  #! sip.edge: must be an IP address, not 'proxy'

[sip]
port = 5061  #! sip.port: TCP and TLS cannot both have port 5061; set [sip.tls] port
tls = { certificate = "sip.pem" }

[sip]
port = 5070
[sip.tls]
certificate = "sip.pem"
port = 5070  #! sip.tls.port: TCP and TLS cannot both have port 5070

sip.stun_server = "a b"  #! sip.stun_server: no host: 'a b'

sip.dns = ["resolver.example"]  #! sip.dns: must be IP addresses, not 'resolver.example'

[sip.tls]
port = 70000  #! sip.tls.port: must be from 0 to 65535

[sip.tls]
key = "key.pem"  #! sip.tls.key: there is a key, so it needs 'certificate' too

[sip.tls]
certificate = "sip.pem"
clients = "verified"  #! sip.tls.clients: 'verified' needs 'ca': the public authorities vouch for anybody

[media]
port_range = [3, 2]  #! media.port_range: must be two ports between 1024 and 65535, the lower first

#% media.process.engine.why_not
media.fast = true  #! media.fast: is true, but the packet path in C cannot be used: gone

media.processes = 0  #! media.processes: must be 'auto' or a number from 1 to 64

[media]
processes = 3
port_range = [4000, 4003]  #! media.port_range: port_range has no pair of ports for each of 3 processes

capture.bundles = "always"  #! capture.bundles: 'always' needs a bundle_folder

#% sipgw.config.records.find_spec
recording.format = "opus"  #! recording.format: 'opus' needs PyAV

recording.name = "{call"  #! recording.name: '{call' cannot be read

recording.name = "{cal}"  #! recording.name: has {cal}; known:

recording.name = "{trunk}"  #! recording.name: needs {call}, or one call would take

store.url = "${URL}"  #! store.url: must begin with postgresql://

#% sipgw.config.records.find_spec
store.url = "${DATABASE}"  #! store.url: PostgreSQL needs asyncpg

store.url = "${PORTLESS}"  #! store.url: must be like postgresql://

[[webhooks]]
name = "crm"
secret = "${SECRET}"
url = "ftp://x"  #! webhooks.0.url: must be like https://example.com/calls

[[webhooks]]
name = "crm"
secret = "${SECRET}"
url = "https://[x"  #! webhooks.0.url: Invalid IPv6 URL

[[webhooks]]
name = "crm"
url = "https://crm.example"
secret = "${SHORT}"  #! webhooks.0.secret: must have at least 16 characters

#% sipgw.config.records.find_spec
privacy.redact = ["names"]  #! privacy.redact: 'names' needs Presidio

privacy.country = "XX"  #! privacy.country: 'XX' is not two letters like 'US'

storage.url = "http://x"  #! storage.url: it is not like s3://bucket/prefix

storage.url = "s3://bucket/../x"  #! storage.url: the prefix has a part "." or ".."

[storage]
url = "s3://bucket"
secret_key = "${SECRET}"  #! storage.secret_key: access_key and secret_key belong together

[storage]
url = "s3://bucket"
kms_key = "x"  #! storage.kms_key: kms_key needs encryption = "aws:kms"

[storage]
url = "s3://bucket"
endpoint = "minio_1"  #! storage.endpoint: it is not like https://minio.example.com:9000

#% sipgw.config.storage.find_spec
storage.url = "s3://bucket"  #! storage.url: object storage needs boto3

[report]
goal = "x"
[[report.fields]]
name = "A"  #! report.fields.0.name: 'A' is taken, or not made of
type = "string"
about = "x"

[report]
goal = "x"
[[report.fields]]
name = "a"
type = "integer"
about = "x"
enum = ["x"]  #! report.fields.0.enum: a: enum goes with type 'string'

[report]
goal = "x"
[[report.fields]]
name = "a"
type = "string"
about = "x"
maximum = 5  #! report.fields.0.maximum: a: minimum and maximum go with types

[report]
goal = "x"
[[report.fields]]
name = "a"
type = "integer"
about = "x"
maximum = 5
minimum = 6  #! report.fields.0.minimum: a: minimum is above maximum

[report]
goal = "x"
[[report.fields]]
name = "a"
type = "string"
about = "x"
[[report.fields]]
name = "a"  #! report.fields.1.name: two fields are called 'a'
type = "string"
about = "x"

report.outcomes = ["sold"]  #! report.outcomes: goal: say what the agent is to achieve

report.language = "deutsch"  #! report.language: 'deutsch' is not an ISO 639-1 code

messages.mail_to = ["nobody"]  #! messages.mail_to: 'nobody' is no address of e-mail

messages.when = ["closed"]  #! messages.when: for 'closed' say the hours

messages.hours = ["09:00"]  #! messages.hours: '09:00' must be written like "mon-fri 09:00-17:30"

messages.hours = ["09:00-25:00"]  #! messages.hours: '09:00-25:00' has a time that does not exist

messages.hours = ["09:00-09:00"]  #! messages.hours: '09:00-09:00' is no time at all

messages.hours = ["mun 09:00-10:00"]  #! messages.hours: 'mun 09:00-10:00' names a day that is none of

messages.time_zone = "Mars"  #! messages.time_zone: there is no 'Mars'; write it like Europe/Berlin

#% sipgw.config.hours.find_spec
messages.holidays = "DE"  #! messages.holidays: needs the library of that name

messages.holidays = "XX"  #! messages.holidays: 'XX' is no country or region

mail.host = "mail.example"  #! mail.host: host needs the sender

[mail]
host = "mail.example"
sender = "a@b.example"
tls = "off"  #! mail.tls: 'off' is for a server at an address of this machine

mail.ca = "none.pem"  #! mail.ca: there is no file 'none.pem'

alarms.mail_to = ["nobody"]  #! alarms.mail_to: 'nobody' is no address of e-mail

alarms.mail_to = ["a@b.example"]  #! alarms.mail_to: needs a server that takes mail: [mail] host

browser.port_range = [9, 8]  #! browser.port_range: must be two ports between 1024 and 65535

browser.addresses = ["here"]  #! browser.addresses: 'here' is no IP address

browser.stun = ":1"  #! browser.stun: must be a name or an IPv4 address, and a port

browser.turn = ["turn"]  #! browser.turn: one is not like turn:turn.example.com:3478

browser.turn_secret = "${SECRET}"  #! browser.turn_secret: turn needs turn_secret, or turn_user and turn_password

cluster.redis = "${URL}"  #! cluster.redis: must begin with redis://

#% sipgw.config.cluster.find_spec
cluster.redis = "${REDIS}"  #! cluster.redis: Redis needs its client

[cluster]
prefix = "sipgw"
name = "a b"  #! cluster.name: must be letters, digits, '.', '_' and '-', at most 64

[[prices]]
part = "trunk"
name = "x"
unit = "seconds"
price = 1
rounding = "x"  #! prices.0.rounding: 'x' must be written like "60/6"

cost.currency = "euro"  #! cost.currency: 'euro' must be three letters like "EUR"

embed.origins = ["https://a.example/x"]  #! embed.origins: 'https://a.example/***' is not like https://www.example.com

gate.countries = ["Germany"]  #! gate.countries: a country is two letters like "US" or "DE", not 'Germany'

gate.countries = ["de"]  #! gate.countries: countries are written in capitals: 'DE'

gate.dnc_country = "Germany"  #! gate.dnc_country: a country is two letters

[[gate.windows]]
hours = "09:00-10:00"
countries = ["xx"]  #! gate.windows.0.countries: a country is two letters

[[gate.windows]]
hours = "9"  #! gate.windows.0.hours: '9' must be written like "09:00-17:30"

gate.never = ["49"]  #! gate.never: '49' must be + and digits, like "+4420"

gate.extensions = ["1 2"]  #! gate.extensions: '1 2' must be a name, or up to 8 digits and ?

gate.holidays = ["13-45"]  #! gate.holidays: '13-45' must be written like "2026-11-26"

[[accounts]]
user = "a b"  #! accounts.0.user: letters, digits and . _ + - only
password = "${SECRET}"

[[accounts]]
user = "ann"
password = "${SHORT}"  #! accounts.0.password: the password of 'ann' is shorter than 8 characters

[[accounts]]
user = "ann"
password = "${SECRET}"
networks = ["10.0.0.1/8"]  #! accounts.0.networks: 10.0.0.1/8 has host bits set

admission.max_calls = 0  #! admission.max_calls: must be 'auto' or more than 0

limits.blocked = ["10.0.0.1/8"]  #! limits.blocked: 10.0.0.1/8 has host bits set

[callbacks.retry]
attempts = 0  #! callbacks.retry.attempts: must be from 1 to 20

[callbacks.retry]
busy = 1  #! callbacks.retry.busy: must be at least 10 s: nobody wants to be rung at

callbacks.time_zone = "Mars"  #! callbacks.time_zone: there is no time zone 'Mars'

[[people]]
name = "ANN"  #! people.0.name: 'ANN': lower case letters
to = "+4930123456"

[[people]]
name = "ann"
to = "sip:"  #! people.0.to: no host

[[people]]
name = "ann"
to = "d/e"  #! people.0.to: 'd/e' is neither a number nor a sip: or tel: address

stir.key = "key.pem"  #! stir.key: key and x5u go together

[stir]
x5u = "http://x"  #! stir.x5u: it must begin with https:// and a host
key = "key.pem"

web.password = "${SHORT}"  #! web.password: must have at least 8 characters

web.proxies = ["x"]  #! web.proxies: 'x' is no IP address

[web.oidc]
issuer = "https://login.example.com"
client_id = "x"
admins = ["a"]
url = "https://phone.example.com"  #! web.oidc.url: the host of the url of [web.oidc] must be in the names of [web]

[web.oidc]
issuer = "login"  #! web.oidc.issuer: it must begin with https://

[web.oidc]
issuer = "https://login.example.com"  #! web.oidc.issuer: client_id is missing: the provider shows it

[web.oidc]
issuer = "https://login.example.com"
client_id = "x"
url = "phone"  #! web.oidc.url: it must begin with https:// and a host (http:// only for this machine); write

[web.oidc]
issuer = "https://login.example.com"
client_id = "x"
url = "https://phone.example.com?x"  #! web.oidc.url: it has a query

[web.oidc]
issuer = "https://login.example.com"
client_id = "x"
url = "https://phone.example.com"
scopes = ["email"]  #! web.oidc.scopes: must contain "openid"

[web.oidc]
issuer = "https://login.example.com"
client_id = "x"
url = "https://phone.example.com"
groups_claim = ""  #! web.oidc.groups_claim: a claim has no name

[web]
names = ["phone.example.com"]
[web.oidc]
issuer = "https://login.example.com"  #! web.oidc.issuer: nobody could sign in: name a group in viewers, operators or
client_id = "x"
url = "https://phone.example.com"

[web.oidc]
viewers = [""]  #! web.oidc.viewers: [web.oidc]: a group has no name

[web.oidc]
operators = ["desk"]
[[tenants]]
name = "a"
agents = ["agent"]
groups = { desk = "viewer" }  #! tenants.0.groups: the group 'desk' is in [web.oidc] and in [[tenants]] 'a'
"""
