"""The way to another host: ssh, srun within a Slurm allocation, or into a namespace of ./triptych net;
and what their refusals mean."""

from __future__ import annotations

import os
import shlex

# The far end's Python reads its modules from the connection; then far.py reads on.
BOOT = """
import json, sys, types
sys.modules["harness"] = types.ModuleType("harness")
for name, text in json.loads(open(0, "rb", 0, closefd=False).readline()):
    sys.modules[name] = types.ModuleType(name)
    exec(compile(text, name, "exec"), vars(sys.modules[name]))
sys.modules["harness.far"].main({silence})
"""

SSH = (
    "ssh -T -x -a -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=3"
    " -o ServerAliveCountMax=3 --"
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
    "SyntaxError": "has a python3 that is too old: 3.9 is needed",
}


def command_for(name: str, silence: float) -> list[str]:
    """What connects a host: its standard input and output are those of the far end's Python."""
    boot = BOOT.format(silence=silence)
    python = f"exec python3 -I -c {shlex.quote(boot)}"
    if side := name.partition("net:")[2]:
        namespace = f"/run/netns/{NAMESPACES.format(side)}"
        return ["nsenter", f"--net={namespace}", "--", "/usr/bin/python3", "-I", "-c", boot]
    if os.environ.get("SLURM_JOB_ID"):  # not tried: nobody here has Slurm
        words = ["srun", "--overlap", "--quiet", "--unbuffered", "-N1", "-n1", f"--nodelist={name}"]
        return [*words, "sh", "-c", python]
    return [*SSH, name, python]


def refusal(name: str, text: str) -> str:
    """What it means that the way printed this, and connected nothing; empty: not known."""
    return next((means.format(name) for said, means in REFUSALS.items() if said in text), "")
