"""A person's hands: presses keys and mouse buttons at the X server, which hands them to whatever window has them.

Everything a real event passes through is passed through: the server's focus and auto-repeat, Qt's platform plugin,
shortcuts, event filters. It would also move a real mouse, so it is only for screens that nobody sits at.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QScrollArea, QWidget
from Xlib import XK, X
from Xlib.display import Display
from Xlib.error import BadWindow, DisplayError
from Xlib.ext import xtest


def nobody_sits_here() -> bool:
    """Whether this is an X screen without a window manager: a virtual one, where no person's mouse is moved."""
    if os.environ.get("WAYLAND_DISPLAY") or not os.environ.get("DISPLAY"):
        return False
    try:
        display = Display()
    except DisplayError:
        return False
    try:
        managed = display.screen().root.get_full_property(
            display.intern_atom("_NET_SUPPORTING_WM_CHECK"), X.AnyPropertyType
        )
        return managed is None and display.has_extension("XTEST")
    finally:
        display.close()


class Hands:
    """Key names are X keysyms: "w", "space", "Return". Letters mean their keys; nothing is shifted."""

    def __init__(self) -> None:
        self._display = Display()
        self._held: set[str] = set()

    def close(self) -> None:
        """Let go of everything."""
        self.hold(())
        self._display.close()

    def hold(self, keys: Iterable[str]) -> None:
        """Hold exactly these keys from now on."""
        wanted = set(keys)
        for key in self._held - wanted:
            self._fake(X.KeyRelease, self._code(key))
        for key in wanted - self._held:
            self._fake(X.KeyPress, self._code(key))
        self._held = wanted

    def tap(self, *keys: str) -> None:
        """Press and let go of one key after the other."""
        for key in keys:
            self._fake(X.KeyPress, self._code(key))
            self._fake(X.KeyRelease, self._code(key))

    def type_number(self, number: int) -> None:
        """Replace what a number field shows. The field has the focus."""
        control = self._code("Control_L")
        self._fake(X.KeyPress, control)
        self.tap("a")
        self._fake(X.KeyRelease, control)
        self.tap(*str(number))

    def click(self, widget: QWidget, place: QPoint | None = None) -> None:
        """Click on the middle of `widget`, or on `place` in it; what is scrolled out of sight is scrolled to first."""
        _scroll_to(widget)
        at = widget.mapToGlobal(widget.rect().center() if place is None else place)
        ratio = widget.devicePixelRatioF()
        self._fake(X.MotionNotify, 0, round(at.x() * ratio), round(at.y() * ratio))
        self._fake(X.ButtonPress, 1)
        self._fake(X.ButtonRelease, 1)

    def focused_title(self) -> str:
        """Title of the window that gets the keys, of whatever program; "" for none."""
        window = self._display.get_input_focus().focus
        if isinstance(window, int):  # none, or the root
            return ""
        try:
            name = window.get_full_property(self._display.intern_atom("_NET_WM_NAME"), X.AnyPropertyType)
        except BadWindow:  # it has just gone
            return ""
        return bytes(name.value).decode() if name is not None else ""

    def _code(self, key: str) -> int:
        code = self._display.keysym_to_keycode(XK.string_to_keysym(key))
        if code == 0:
            raise ValueError(f"the X server's keyboard has no key {key!r}")
        return code

    def _fake(self, kind: int, detail: int, x: int = 0, y: int = 0) -> None:
        xtest.fake_input(self._display, kind, detail, x=x, y=y)
        self._display.sync()


def _scroll_to(widget: QWidget) -> None:
    parent = widget.parentWidget()
    while parent is not None:
        if isinstance(parent, QScrollArea):
            parent.ensureWidgetVisible(widget)
        parent = parent.parentWidget()
    if not widget.visibleRegion().contains(widget.rect().center()):
        raise AssertionError(f"{type(widget).__name__} {widget.objectName()!r} is not in sight")
