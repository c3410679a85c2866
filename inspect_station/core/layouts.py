"""Keyboard layouts: what a scanner set to a US keyboard meant, where the host has another layout.

A scanner that types sends the positions of keys; the host turns them into signs.
"""

from collections.abc import Iterator, Mapping

# Each layout is the row of digits, then the three rows of letters, without Shift and with it, as in the symbols of
# xkeyboard-config 2.35 (xkb-data). A key that types nothing by itself, because it is dead, stands as NUL.
_US = "`1234567890-=qwertyuiop[]\\asdfghjkl;'zxcvbnm,./", '~!@#$%^&*()_+QWERTYUIOP{}|ASDFGHJKL:"ZXCVBNM<>?'
_LAYOUTS: Mapping[str, tuple[str, str]] = {
    "azerty": ("²&é\"'(-è_çà)=azertyuiop\0$*qsdfghjklmùwxcvbn,;:!", "~1234567890°+AZERTYUIOP\0£µQSDFGHJKLM%WXCVBN?./§"),
    # Belgian; a French Macintosh's differs only where no code has a sign.
    "azerty-be": (
        "²&é\"'(§è!çà)-azertyuiop\0$µqsdfghjklmùwxcvbn,;:=",
        "³1234567890°_AZERTYUIOP\0*£QSDFGHJKLM%WXCVBN?./+",
    ),
    "qwertz": (
        "\x001234567890ß\0qwertzuiopü+#asdfghjklöäyxcvbnm,.-",
        "°!\"§$%&/()=?\0QWERTZUIOPÜ*'ASDFGHJKLÖÄYXCVBNM;:_",
    ),
    "qwertz-ch": (
        "§1234567890'\0qwertzuiopü\0$asdfghjklöäyxcvbnm,.-",
        '°+"*ç%&/()=?\0QWERTZUIOPè!£ASDFGHJKLéàYXCVBNM;:_',
    ),
    "qwertz-ch-fr": (
        "§1234567890'\0qwertzuiopè\0$asdfghjkléàyxcvbnm,.-",
        '°+"*ç%&/()=?\0QWERTZUIOPü!£ASDFGHJKLöäYXCVBNM;:_',
    ),
    "qwerty-es": (
        "º1234567890'¡qwertyuiop\0+çasdfghjklñ\0zxcvbnm,.-",
        'ª!"·$%&/()=?¿QWERTYUIOP\0*ÇASDFGHJKLÑ\0ZXCVBNM;:_',
    ),
    "qwerty-it": (
        "\\1234567890'ìqwertyuiopè+ùasdfghjklòàzxcvbnm,.-",
        '|!"£$%&/()=?^QWERTYUIOPé*§ASDFGHJKLç°ZXCVBNM;:_',
    ),
    "qwerty-uk": ("`1234567890-=qwertyuiop[]#asdfghjkl;'zxcvbnm,./", '¬!"£$%^&*()_+QWERTYUIOP{}~ASDFGHJKL:@ZXCVBNM<>?'),
}
_LOCKING = ("azerty", "azerty-be", "qwertz")
"""Where Caps Lock also turns the digits and signs over, as it does in Windows; elsewhere it only turns letters, and
codes are read in either case."""


def _table(typed: tuple[str, str], *, locked: bool) -> dict[int, str]:
    without, shifted = _US
    meant = shifted + without if locked else without + shifted
    table = {sign: key for sign, key in zip("".join(typed), meant, strict=True) if sign != "\0"}
    # Caps Lock on a Macintosh types É for é, where no other key does.
    capitals = {sign.upper(): key for sign, key in table.items() if not sign.isascii() and len(sign.upper()) == 1}
    return str.maketrans({**capitals, **table})


_MEANT = {name: _table(typed, locked=False) for name, typed in _LAYOUTS.items()} | {
    f"{name}+caps": _table(_LAYOUTS[name], locked=True) for name in _LOCKING
}


_ANY_HOST = frozenset(map(ord, " \x1d"))
"""Typed alike everywhere: the space, and the separator that scanners send as a control character."""


def meanings(typed: str) -> Iterator[tuple[str, str]]:
    """Each other text that the scanner may have meant, once, with the first layout of the host that explains it.

    A layout is called by its letters and, where there are several, its country; ``+caps`` where Caps Lock is on. One
    that has no key for a sign of the text does not explain it.
    """
    seen, signs = {typed}, set(map(ord, typed)) - _ANY_HOST
    for layout, table in _MEANT.items():
        meant = typed.translate(table) if signs <= table.keys() else typed
        if meant not in seen:
            seen.add(meant)
            yield layout, meant
