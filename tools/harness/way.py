"""The way to another host: ssh, srun within a Slurm allocation, or into a namespace of ./triptych
net; and what their refusals mean."""

from __future__ import annotations

import inspect
import json
import os
import shlex
from collections.abc import Sequence
from types import ModuleType

# The far end's Python reads its modules from the connection; then far.py reads on. One line, and no
# `exec`: csh takes no quoted line that is longer, and a restricted shell has no exec.
BOOT = (
    'import json,sys;sys.version_info<(3,9) and sys.exit("python3 is too old");'
    'exec(json.loads(open(0,"rb",0,closefd=False).readline()))'
)
MODULES = """
import json, sys, types
sys.modules["harness"] = types.ModuleType("harness")
for name, text in json.loads({texts!r}):
    sys.modules[name] = types.ModuleType(name)
    exec(compile(text, name, "exec"), vars(sys.modules[name]))
sys.modules["harness.far"].main({silence})
"""

# What ~/.ssh/config may say of a host for a person at a terminal is not for us: a command of its
# own, forwarded ports (a second connection could not have them). A connection that is shared is
# used, not made.
SSH = (
    "ssh -T -x -a -o BatchMode=yes -o ConnectTimeout=10 -o LogLevel=ERROR -o RemoteCommand=none"
    " -o ClearAllForwardings=yes -o ControlMaster=no --"
).split()

PACKAGES = "ssh is in Debian's package openssh-client"

# The hosts of ./triptych net: net:left and net:right, each a network namespace of this machine.
NET = {"left": "10.87.0.1", "right": "10.87.0.2"}
NAMESPACES = "triptych-{}"

# What ssh says, and what to do about it.
REFUSALS = {
    "Could not resolve hostname": "is unknown, in ~/.ssh/config and to the name service",
    "Permission denied (": "refuses the key: `ssh {0} true` must work without a question",
    "IDENTIFICATION HAS CHANGED": "has another key than it had: `ssh {0} true` says more",
    "Host key verification failed": "has a key that is not known: run `ssh {0} true` by hand once",
    "python3: not found": "has no python3",
    "python3: command not found": "has no python3",
    "command not found: python3": "has no python3",
    "nknown command: python3": "has no python3",
    "nsenter: cannot open /run/netns": "is not there: ./triptych net up",
    "nsenter: reassociate": "needs root",
    "python3 is too old": "has a python3 that is too old: 3.9 is needed",
}


def way_to(name: str) -> str:
    """net, srun or ssh."""
    if name.startswith("net:"):
        return "net"
    return "srun" if os.environ.get("SLURM_JOB_ID") else "ssh"


def command_for(name: str) -> list[str]:
    """What connects a host: its standard input and output are those of the far end's Python."""
    python = ["python3", "-I", "-c", BOOT]
    way = way_to(name)
    if way == "net":
        namespace = f"/run/netns/{NAMESPACES.format(name.removeprefix('net:'))}"
        return ["nsenter", f"--net={namespace}", "--", "/usr/bin/python3", *python[1:]]
    if way == "srun":  # not tried: nobody here has Slurm
        words = ["srun", "--overlap", "--quiet", "--unbuffered", "-N1", "-n1", f"--nodelist={name}"]
        return [*words, *python]
    return [*SSH, name, shlex.join(python)]


def far_program(modules: Sequence[ModuleType], silence: float) -> bytes:
    """The line that BOOT reads: a program with the text of these modules,
    the last of them far.py."""
    texts = json.dumps([(module.__name__, inspect.getsource(module)) for module in modules])
    return json.dumps(MODULES.format(texts=texts, silence=silence)).encode() + b"\n"


def refusal(name: str, text: str) -> str:
    """What it means that the way printed this, and connected nothing; empty: not known."""
    return next((means.format(name) for said, means in REFUSALS.items() if said in text), "")
