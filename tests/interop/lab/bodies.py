"""Bodies that have come out changed somewhere, and how two of them are compared."""

BODIES = {
    "ascii": "Art thou not Romeo, and a Montague?",
    "emoji sequences": "👩‍👩‍👧‍👦 ❤️‍🔥 🏳️‍🌈 🇨🇭 👍🏽 1️⃣",
    "right to left": "שלום עולם مرحبا بالعالم \u200fabc\u200e \u202b(1)\u202c",
    "combining": "e\u0301 n\u0303 a\u0308\u0323 \u1e9b\u0323 \u0e01\u0e33",
    "xml specials": "<body>&amp;&#x41;</body> ]]> <![CDATA[x]]> \"q\" 'a' <!-- -- --> &lt; <?pi?>",
    "blanks around": "  \t leading and trailing \t  ",
    "line ends": "one\r\ntwo\rthree\nfour\r\n\r\n\n",
    "only a blank": " ",
    "looks like sip": "MESSAGE sip:x@y SIP/2.0\r\nVia: nothing\r\n\r\nbody",
    "5000 ascii": "".join(chr(33 + i % 94) for i in range(5000)),
    "14000 bytes of emoji": "".join(chr(0x1F600 + i % 64) for i in range(3500)),
}


def normal(text):
    """One form of line end: XML turns CR LF and CR into LF, SIP leaves them as they are."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
