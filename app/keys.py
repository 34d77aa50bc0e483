"""Which key does what: the keys that are held, and every action that has a key or a place in a menu."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence

from vinn_core.session.teleop import Move

MOVE_KEYS: dict[Qt.Key, Move] = {
    Qt.Key.Key_W: Move.FORWARD,
    Qt.Key.Key_S: Move.BACK,
    Qt.Key.Key_A: Move.LEFT,
    Qt.Key.Key_D: Move.RIGHT,
    Qt.Key.Key_Q: Move.UP,
    Qt.Key.Key_E: Move.DOWN,
    Qt.Key.Key_I: Move.PITCH_UP,
    Qt.Key.Key_K: Move.PITCH_DOWN,
    Qt.Key.Key_J: Move.YAW_LEFT,
    Qt.Key.Key_L: Move.YAW_RIGHT,
    Qt.Key.Key_U: Move.ROLL_LEFT,
    Qt.Key.Key_O: Move.ROLL_RIGHT,
}
"""Held keys."""


class Menu(StrEnum):
    """The menus, in the order of the menu bar."""

    FILE = "&File"
    RECORD = "&Record"
    ARM = "&Arm"
    VIEW = "&View"
    HELP = "&Help"


@dataclass(frozen=True)
class ActionInfo:
    """What is said of an action, once: menus, toolbar, buttons and the dialog of shortcuts are made from it.

    Attributes:
        id: its name among all actions.
        text: in menus and on buttons.
        keys: shortcut, as Qt writes it, or what the platform uses for it; "" for none.
        menu: where it is; None: only where its panel shows it, and its keys count only while the focus is there.
        group: within the menu; a line separates the groups.
        tip: tool tip.
        help: what the keys do, for the dialog of shortcuts, where that is not the tip or the text.
        icon: name of a drawing in `app.widgets.icons`; "" for none.
    """

    id: str
    text: str
    keys: str | QKeySequence.StandardKey = ""
    menu: Menu | None = None
    group: int = 0
    tip: str = ""
    help: str = ""
    icon: str = ""

    @property
    def meaning(self) -> str:
        """What the keys do, to be read beside them."""
        sentence = self.tip or self.text
        return self.help or sentence[0].lower() + sentence[1:]


_Standard = QKeySequence.StandardKey

NEW_WORKSPACE = ActionInfo("new_workspace", "&New workspace…", _Standard.New, Menu.FILE)
OPEN_WORKSPACE = ActionInfo("open_workspace", "&Open workspace…", _Standard.Open, Menu.FILE)
EMPTY_TRASH = ActionInfo(
    "empty_trash", "Empty &trash…", menu=Menu.FILE, group=1, tip="Remove the deleted episodes from the disk for good"
)
QUIT = ActionInfo("quit", "&Quit", _Standard.Quit, Menu.FILE, 2)

RECORD = ActionInfo(
    "record",
    "Record",
    "R",
    Menu.RECORD,
    tip="Record an episode; again: save it",
    help="start recording; again: save the episode",
)
DISCARD = ActionInfo(
    "discard",
    "Discard",
    "Backspace",
    Menu.RECORD,
    tip="Throw the recording away",
    help="discard the recording",
    icon="discard",
)
OUTCOME = ActionInfo(
    "outcome", "Overrule outcome", "X", Menu.RECORD, help="overrule the outcome: detected, success, failure"
)
RESET = ActionInfo("reset", "Reset", "T", Menu.RECORD, 1, tip="Reset the scene to the same seed", icon="reset")
NEXT_SEED = ActionInfo(
    "next_seed", "Next seed", "N", Menu.RECORD, 1, tip="Reset the scene to the next seed", icon="next"
)

AUTONOMOUS = ActionInfo(
    "autonomous",
    "Autonomous",
    "P",
    Menu.ARM,
    help="autonomous run on or off; any movement key takes over",
    icon="autonomous",
)
STOP = ActionInfo(
    "stop",
    "Stop everything",
    "Esc",
    Menu.ARM,
    tip="Stop the arm, a replay and an autonomous run",
    help="stop everything: arm, replay, autonomous run",
    icon="stop",
)
GRIPPER = ActionInfo("gripper", "Close or open the gripper", "Space", Menu.ARM, 1)
FRAME = ActionInfo(
    "frame",
    "Change directions",
    "F",
    Menu.ARM,
    1,
    tip="What forward, left and up refer to: the viewing camera or the end effector",
    help="directions as seen from: viewing camera / end effector",
)
SPEEDS = (
    ActionInfo("slow", "Slow", "1", Menu.ARM, 1),
    ActionInfo("medium", "Medium", "2", Menu.ARM, 1),
    ActionInfo("fast", "Fast", "3", Menu.ARM, 1),
)
"""By `vinn_core.session.teleop.SPEED_LEVELS`."""

RESET_VIEW = ActionInfo("reset_view", "&Reset view", "Home", Menu.VIEW)
RESET_LAYOUT = ActionInfo("reset_layout", "Reset &layout", menu=Menu.VIEW, group=1)

SHOW_SHORTCUTS = ActionInfo("show_shortcuts", "&Keyboard and mouse", _Standard.HelpContents, Menu.HELP)
OPEN_LOG = ActionInfo("open_log", "&Log folder", menu=Menu.HELP)
ABOUT = ActionInfo("about", "&About VINN Workbench", menu=Menu.HELP)

MENU_ACTIONS = (
    *(NEW_WORKSPACE, OPEN_WORKSPACE, EMPTY_TRASH, QUIT),
    *(RECORD, DISCARD, OUTCOME, RESET, NEXT_SEED),
    *(AUTONOMOUS, STOP, GRIPPER, FRAME, *SPEEDS),
    *(RESET_VIEW, RESET_LAYOUT),
    *(SHOW_SHORTCUTS, OPEN_LOG, ABOUT),
)
"""In the order of the menus."""

REPLAY_STATES = ActionInfo(
    "replay_states",
    "Replay states",
    "Return",
    tip="Show the recorded states in the viewer, exactly as they were",
)
REPLAY_ACTIONS = ActionInfo(
    "replay_actions",
    "Replay actions",
    "Shift+Return",
    tip="Start from the recorded state and repeat the actions open loop",
)
MARK_SUCCESS = ActionInfo("mark_success", "Mark as success", "+")
MARK_FAILED = ActionInfo("mark_failed", "Mark as failed", "-")
DELETE_EPISODES = ActionInfo("delete_episodes", "Delete", _Standard.Delete)
UNDO_EPISODES = ActionInfo("undo_episodes", "Undo", _Standard.Undo)
DELETE_EVALUATIONS = ActionInfo("delete_evaluations", "Delete", _Standard.Delete, tip="Delete the selected evaluations")
