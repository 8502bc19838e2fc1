#!/bin/sh
# Make the demo caller's voice again: needs Debian's flite and sox. Run it in this folder.
#
#   sh make_voice.sh
#
# The two recordings of human digits (order_number.wav, phone_number.wav) are not made here: see README.md.
set -eu

voice=rms

say() { # say FILE SENTENCE SLOWNESS: a telephone's band and level, G.711 mu-law at 8000 samples a second
    flite -voice "$voice" --setf duration_stretch="$3" -t "$2" -o "$work/said.wav"
    sox -R "$work/said.wav" -r 8000 -c 1 -e mu-law -b 8 "$1" \
        highpass 300 lowpass 3400 silence 1 0.02 0.5% reverse silence 1 0.02 0.5% reverse \
        gain -n -8 pad 0.05 0.05
}

work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

say ask_order.wav "Hi, I would like to know where my order is." 1.0
say interrupt.wav "Sorry. Can someone call me back tomorrow morning?" 1.2
say yes.wav "Yes." 1.0
say confirm.wav "Yes, that's right." 1.0
say goodbye.wav "No, that's all. Thank you. Goodbye." 1.0
