"""One run folder being edited: the state with its history, and the files that keep it. What all front ends hold.

Unsaved edits are in ``edits.autosave.json`` after every step; a killed or closed editor loses nothing, the next goes on there.
"""

import logging
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from paco_core.errors import BadInput
from paco_core.files import sweep_beside, write_atomic
from paco_core.lock import FolderLock
from scene3d.glb import DEFAULT, GlbConfig, write_scene_glb
from scene3d.types import Scene
from viewers.composite import Pictures, compose_picture, picture_png
from viewers.edited import edited_scene
from viewers.editfile import AUTOSAVE_FILE, EDITS_FILE, edits_text, read_edits, write_edits
from viewers.operations import Operation, Select, perform
from viewers.original import Original, load_original
from viewers.state import EditState, History

log = logging.getLogger(__name__)

LOCK_FILE = ".edits.lock"
_TAKEN = "Another editor has {folder} open ({holder}). Close it first: two at once would undo each other's work."
EDITED_GLB, EDITED_PICTURE = "edited.glb", "edited.png"
"""What is exported when no other place is named."""


class Editor:
    """Use as a context: it holds the folder's edits for itself. Its methods may be called from any thread, one at a time."""

    def __init__(self, folder: Path) -> None:
        """Raises ``BadInput`` for a folder that can't be edited, also when its ``edits.json`` is damaged."""
        self.original: Original = load_original(folder)
        self.pictures = Pictures(self.original)
        self.notes: tuple[str, ...] = ()
        """What there is to say about the edits that were found."""
        self._folder, self._lock = folder, FolderLock(folder, LOCK_FILE, _TAKEN)
        self._guard = threading.RLock()
        self._history = History(self.original.start)
        self._saved = self.original.start
        self._listeners: list[Callable[[], None]] = []

    def __enter__(self) -> "Editor":
        """Lock, and read the edits that are there. Raises ``BadInput`` when another editor is at work."""
        self._lock.acquire()
        try:
            self._recall()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        """Let others in. Unsaved edits stay in the autosave file, or go where they can be kept."""
        self._lock.release()
        if self.unsaved and not (self._folder / AUTOSAVE_FILE).is_file():
            with suppress(BadInput, OSError):
                log.warning("unsaved edits are kept in %s", self._rescue())

    @property
    def state(self) -> EditState:
        """As it is now."""
        return self._history.present

    @property
    def unsaved(self) -> bool:
        """Whether there is something to save."""
        return not self.state.same_edits(self._saved)

    @property
    def can_undo(self) -> bool:
        """Whether there is a step back."""
        return bool(self._history.past)

    @property
    def can_redo(self) -> bool:
        """Whether there is a step that was undone."""
        return bool(self._history.future)

    def when_changed(self, call: Callable[[], None]) -> None:
        """``call`` after every change of the state."""
        self._listeners.append(call)

    def do(self, *operations: Operation) -> EditState:
        """Perform operations as one step of undo. Raises ``BadInput``; then nothing has changed."""
        with self._guard:
            state = self.state
            for operation in operations:
                state = perform(operation, state, self.original)
            return self.take(state)

    def take(self, state: EditState) -> EditState:
        """Make ``state`` the present one, as one step of undo."""
        with self._guard:
            return self._become(self._history.did(state))

    def preview(self, *operations: Operation) -> EditState:
        """What ``do`` would give, for the frames of a drag; nothing changes. Raises ``BadInput``."""
        state = self.state
        for operation in operations:
            state = perform(operation, state, self.original)
        return state

    def select(self, *ids: int) -> EditState:
        """Choose what is worked on."""
        return self.do(Select(ids))

    def undo(self) -> EditState:
        """One step back."""
        with self._guard:
            return self._become(self._history.undone())

    def redo(self) -> EditState:
        """One step on again."""
        with self._guard:
            return self._become(self._history.redone())

    def scene(self) -> Scene:
        """The edited scene. Raises ``BadInput`` for a run without one."""
        return edited_scene(self.state, self.original)

    def save(self) -> Path:
        """Write ``edits.json``. Raises ``BadInput`` when that can't be done, saying where the edits were kept instead."""
        with self._guard:
            path = self._folder / EDITS_FILE
            try:
                write_edits(self.state, self.original, path, root=self._folder)
            except BadInput as error:
                raise BadInput(f"{error} Your edits are kept in {self._rescue()}.") from error
            self._saved = self.state
            (self._folder / AUTOSAVE_FILE).unlink(missing_ok=True)
            return path

    def load(self, path: Path) -> EditState:
        """Take the edits of a file, as one step. Raises ``BadInput``."""
        with self._guard:
            state, notes = read_edits(path, self.original)
            self.notes = notes
            return self.take(state.selecting(self.state.selected))

    def export_glb(self, path: Path | None = None, config: GlbConfig = DEFAULT) -> Path:
        """Write the edited scene, ``edited.glb`` in the run folder unless told otherwise. Raises ``BadInput``."""
        path = path or self._folder / EDITED_GLB
        write_scene_glb(self.scene(), path, config)
        return path

    def export_picture(self, path: Path | None = None) -> Path:
        """Write the edited picture, ``edited.png`` in the run folder unless told otherwise. Raises ``BadInput``."""
        path = path or self._folder / EDITED_PICTURE
        write_atomic(path, picture_png(compose_picture(self.state, self.pictures)))
        return path

    def _become(self, history: History) -> EditState:
        changed = not history.present.same_edits(self.state)
        self._history = history
        if changed:
            self._autosave()
        for call in self._listeners:
            call()
        return self.state

    def _autosave(self) -> None:
        """Unsaved edits go to their file; what can't be written is told when it is saved, and at the end."""
        path = self._folder / AUTOSAVE_FILE
        try:
            if self.unsaved:
                write_edits(self.state, self.original, path, root=self._folder)
            else:
                path.unlink(missing_ok=True)
        except (BadInput, OSError) as error:
            log.warning("no autosave: %s", error)

    def _recall(self) -> None:
        saved, unsaved = self._folder / EDITS_FILE, self._folder / AUTOSAVE_FILE
        for file in (saved, unsaved):
            sweep_beside(file)
        if saved.exists():
            state, self.notes = read_edits(saved, self.original)
            self._saved = state
            self._history = History(state)
        if not unsaved.exists():
            return
        try:
            state, notes = read_edits(unsaved, self.original)
        except BadInput as error:
            aside = unsaved.with_suffix(".damaged.json")
            unsaved.replace(aside)
            self.notes += (f"unsaved edits could not be read and lie in {aside.name} now ({error})",)
            return
        if not state.same_edits(self.state):
            self._history = self._history.did(state)
            self.notes += (*notes, "unsaved edits of an editor that was closed or stopped are here again")

    def _rescue(self) -> Path:
        """The edits in a file of their own, outside of the run folder."""
        with tempfile.NamedTemporaryFile("w", prefix="paco-edits-", suffix=".json", delete=False, encoding="utf-8") as file:
            file.write(edits_text(self.state, self.original))
        return Path(file.name)
