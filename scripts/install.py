"""Installs what VINN Workbench needs: system libraries and a virtual environment in .venv.

`python scripts/install.py [--dev]`. Needs Python 3.11 and nothing else. What is there already is left alone, so a
second call takes a moment. Start it through `make`.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "installed.txt"
OLDEST_PYTHON = (3, 11)

# Library -> Debian package. Qt's xcb plugin and MuJoCo's EGL renderer link to these (`ldd` shows it), wheels bring the
# rest. Mesa's own two bring software rendering; Xvfb is the screen of machines that have none.
LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libEGL_mesa.so.0": "libegl-mesa0",
    "libGL.so.1": "libgl1",
    "libGLX_mesa.so.0": "libglx-mesa0",
    "libX11-xcb.so.1": "libx11-xcb1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-glx.so.0": "libxcb-glx0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-shm.so.0": "libxcb-shm0",
    "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}
FONTS = Path("/usr/share/fonts")

# Proves that the libraries under the packages are there too; torch comes through torch_setup, see there.
IMPORT_CHECK = (
    "import vinn_core.encoder.torch_setup, torchvision, annoy, h5py, mink, mujoco, pyqtgraph, PySide6.QtWidgets"
)


def main() -> int:
    if sys.version_info < OLDEST_PYTHON:
        return fail(
            f"VINN Workbench needs Python 3.11 or newer; {sys.executable} is {sys.version.split()[0]}. "
            "Name another one: make PYTHON=python3.12 ..."
        )
    parser = argparse.ArgumentParser(description="Install what VINN Workbench needs.")
    parser.add_argument("--dev", action="store_true", help="also what tests and linters need")
    arguments = parser.parse_args()

    usable = works(VENV_PYTHON)
    before = STAMP.read_text(encoding="utf-8").split() if usable and STAMP.exists() else []
    wanted = [fingerprint(), "dev" if arguments.dev or "dev" in before else "run"]  # what was there stays up to date
    missing = missing_system_packages(build_tools=before != wanted)
    if missing and not install_system_packages(missing):
        return 1
    if before == wanted:
        return 0

    if not usable:
        say(f"Making a virtual environment in {VENV} ...")
        if not run([sys.executable, "-m", "venv", "--clear", str(VENV)]):
            return fail("The virtual environment could not be made; the lines above say why.")
    STAMP.unlink(missing_ok=True)
    say("Installing Python packages (the first time: some minutes, and 6 GB where torch brings CUDA) ...")
    requirement = str(ROOT) + ("[dev]" if "dev" in wanted else "")
    if not run([str(VENV_PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--editable", requirement]):
        return fail("pip could not install the packages; its lines above say why. The same command goes on from here.")
    if not run([str(VENV_PYTHON), "-c", IMPORT_CHECK]):
        return fail("A package does not load on this machine; the last line above names what it misses.")
    STAMP.write_text(" ".join(wanted), encoding="utf-8")
    say("Everything is installed.")
    return 0


def fingerprint() -> str:
    """Changes with the list of packages and with the place of the checkout, which an editable install points to."""
    return hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + bytes(ROOT)).hexdigest()


def works(python: Path) -> bool:
    """Whether this interpreter starts and is new enough: an environment outlives the Python that it was made from."""
    check = f"import sys, pip; sys.exit(sys.version_info < {OLDEST_PYTHON})"
    return python.exists() and subprocess.run([str(python), "-c", check], stderr=subprocess.DEVNULL).returncode == 0


def missing_system_packages(build_tools: bool) -> list[str]:
    """Names as Debian's. build_tools: count those that compile Annoy, which has no wheels. Of libraries, wheels for
    macOS and Windows bring all."""
    missing = []
    if build_tools and os.name == "posix":
        if shutil.which(os.environ.get("CXX", "c++")) is None and shutil.which("g++") is None:
            missing.append("g++")
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        if not Path(sysconfig.get_path("include"), "Python.h").exists():
            missing.append(f"{version}-dev")
        if importlib.util.find_spec("ensurepip") is None:
            missing.append(f"{version}-venv")
    if sys.platform.startswith("linux"):
        known = known_libraries()
        missing += [package for library, package in LIBRARIES.items() if library not in known]
        if shutil.which("Xvfb") is None:
            missing.append("xvfb")
        if not any(FONTS.rglob("*.[ot]tf")):
            missing.append("fonts-dejavu-core")
    return missing


def known_libraries() -> set[str]:
    """The shared libraries that the loader finds."""
    ldconfig = shutil.which("ldconfig") or "/sbin/ldconfig"
    listing = subprocess.run([ldconfig, "-p"], capture_output=True, text=True).stdout
    return {line.split()[0] for line in listing.splitlines() if "=>" in line}


def install_system_packages(packages: list[str]) -> bool:
    """Through apt, as root or by sudo. Where that cannot be, says what to install."""
    names = " ".join(packages)
    command = ["apt-get", "install", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120", *packages]
    if sys.platform == "darwin":
        say("A C++ compiler is missing. Install it with: xcode-select --install")
        return False
    if shutil.which("apt-get") is None:
        say(f"Install these with this system's package manager (Debian's names), then try again: {names}")
        return False
    if os.geteuid() == 0:
        prefix = ["env"]
    elif shutil.which("sudo"):
        prefix = ["sudo", *([] if sys.stdin and sys.stdin.isatty() else ["-n"]), "env"]
    else:
        say(f"System packages are missing, and this is not root. Let an administrator run:\n  {shlex.join(command)}")
        return False
    prefix.append("DEBIAN_FRONTEND=noninteractive")
    say(f"Installing system packages for the window, 3D pictures and the compiler (apt-get): {names}")
    run([*prefix, "apt-get", "update"])  # a failure shows in the next step, if it matters
    if run([*prefix, *command]):
        return True
    say(f"apt-get could not install them; its lines above say why. By hand:\n  {shlex.join(command)}")
    return False


def run(command: list[str]) -> bool:
    return subprocess.run(command, cwd=ROOT).returncode == 0


def say(sentence: str) -> None:
    print(sentence, flush=True)


def fail(sentence: str) -> int:
    print(sentence, file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
