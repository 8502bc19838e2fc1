"""Wrong files of tools, as in `tests.config.gateway_rows`: of scenarios, of sets of `sipgw eval`."""

SCENARIOS = r"""
[[steps]]
say = "hi"
[[languages]]
code = "de"
[[languages]]
code = "de"  #! languages.1.code: two languages are called 'de'

[[steps]]
say = "hi"
[network]
reorder = 1  #! network.reorder: must be from 0 to less than 1

[[steps]]
say = "hi"
[network]
burst = 0  #! network.burst: must be from 1 to 100 packets

[[steps]]
say = "hi"
[network]
burst = 1
loss = 0.9  #! network.loss: a loss of 90% needs a burst of 9.0 or more

[[steps]]
say = "hi"
[network]
jitter = 2  #! network.jitter: must be from 0 to 1 s

[[steps]]
say = "hi"
[network]
rebind = -1  #! network.rebind: must not be negative

[[steps]]
say = "hi"
[providers]
tts_drop = 2  #! providers.tts_drop: must be from 0 to 1

[[steps]]
say = "hi"
[[steps]]
pause = 1
say = "hi"  #! steps.1.say: a step has one of 'say', 'wav', 'press', 'noise', 'silent' and 'hang_up'
press = "1"

[[steps]]
say = "hi"
goes_on = 1
during = "x"  #! steps.0.during: a step has one of 'interrupts', 'interrupts_at', 'during' and 'goes_on'

[[steps]]
press = "x"  #! steps.0.press: holds digits, * and #

[[steps]]
say = "hi"
patience = 0  #! steps.0.patience: must be positive

[[steps]]
say = "hi"
patience = "6m"  #! steps.0.patience: must be from 0 to 300 s

steps = []  #! steps: a scenario has from 1 to 200 steps

limit = "2h"  #! limit: is at most an hour
[[steps]]
say = "hi"
"""

SETS = r"""
[[utterances]]
text = "hi"
[[utterances.entities]]
kind = "code"
value = [""]  #! utterances.0.entities.0.value: an entity needs a value

[[utterances]]
text = ""  #! utterances.0.text: has from 1 to 1000 characters

[[calls]]
scenario = "x.toml"  #! calls.0.scenario: a call has a 'scenario', or 'steps' and a 'name'
name = "x"
steps = [{ say = "hi" }]

[[calls]]
scenario = "x.toml"
replies = [{ says = "x" }]  #! calls.0.replies: 'replies' answer 'steps'; a scenario has its own

[[utterances]]
text = "hi"
[goals]
words = 2  #! goals.words: a goal is a part from 0 to 1

utterances = []  #! utterances: a set has from 1 to 5000 utterances and calls
"""
