#!/bin/sh
# Gradescope runs this once, as root, when it makes the image that marks this assignment. It
# installs what the image lacks.
set -eu

source=$(cd "$(dirname "$0")" && pwd)
"$source/triptych/triptych" install grade
/usr/bin/python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "setup.sh: this image has $(/usr/bin/python3 --version); 3.11 is needed. Choose a base image" \
        "with Debian 12, Ubuntu 24.04 or a later one." >&2
    exit 1
}
chmod 700 "$source" # what is marked does not read the rubric
