#!/bin/sh
# Starts a Windows program through Wine. The name says which: winsock-rep starts winsock-rep.exe.
#
#     winsock-rep -u tcp://127.0.0.1:5555     what the program of any other panel takes
#     winsock-wine prepare                    makes Wine's folder if there is none yet
#     winsock-wine hold                       keeps Wine's server running, until a signal
#
# Wine's folder ("prefix") is build/wine; of whoever may not write there, ~/.cache/triptych/wine.
# The program replaces this script, so that a signal, /proc and strace reach it: README.md.
set -eu

build=$(cd "$(dirname "$0")" && pwd)
name=$(basename "$0")
command -v wine >/dev/null || {
    echo "$name: Wine is not installed; ./triptych install panel:winsock" >&2
    exit 1
}

folder=$build
[ -w "$build" ] && [ -O "$build" ] || folder=${XDG_CACHE_HOME:-$HOME/.cache}/triptych
export WINEPREFIX="$folder/wine"
export WINEDEBUG=-all
# No entries in the desktop's menu, no offer to fetch a browser and a .NET.
export WINEDLLOVERRIDES='winemenubuilder.exe,mscoree,mshtml='
export LC_ALL=C.UTF-8 # the arguments' characters, as Wine reads them
# Debian's Wine finds its server by this. Else programs with another one start a second server, which
# ends with the last of them; what starts in that moment ends with it, with status 0.
unset TMPDIR

# Made whole or not at all. Nine tenths of it are copies of Wine's own files: links do as well.
prepare() {
    mkdir -p "$folder"
    (
        flock 9
        [ -d "$WINEPREFIX" ] && exit 0
        echo "triptych: preparing Wine, once: about 15 seconds" >&2
        new=$folder/wine.new
        rm -rf "$new"
        if ! WINEPREFIX=$new wineboot --init >"$folder/wine.log" 2>&1 || ! WINEPREFIX=$new wineserver -w; then
            cat "$folder/wine.log" >&2
            exit 1
        fi
        own=$(dirname "$(find -L /usr/lib -path '*x86_64-windows/kernel32.dll' 2>/dev/null | head -n 1)")
        for file in "$new"/drive_c/windows/system32/*; do
            if cmp -s "$file" "$own/${file##*/}"; then ln -sf "$own/${file##*/}" "$file"; fi
        done
        mv "$new" "$WINEPREFIX"
    ) 9>"$folder/wine.lock"
}

[ -d "$WINEPREFIX" ] || prepare
case $name:${1:-} in
winsock-wine:prepare) exit 0 ;;
winsock-wine:hold) set -- ;;
winsock-wine:*)
    echo "usage: winsock-wine prepare | hold" >&2
    exit 2
    ;;
esac
[ "$name" != winsock-wine ] || name=winsock-hold
export LD_PRELOAD="$build/winsock/winsock-term.so"
exec wine "$build/windows/winsock/$name.exe" "$@"
