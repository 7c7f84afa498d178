"""A sample for JupyterHub: one course for a room, a folder of their own for everybody in it. See jupyterhub.md.

Everything that a place decides for itself stands at the top. The rest gives its reasons, so that it can be changed.
"""

import grp
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from mobilenet_lib.course import launch, readiness

c = get_config()  # noqa: F821, JupyterHub gives it to this file

# What this place decides. All may read SHARED, and only root writes there.
SHARED = Path(os.environ.get("COURSE_SHARED", "/srv/mobilenet-course"))
LEARNERS, INSTRUCTORS = "learners", "instructors"  # groups of the system; who is in neither stays out
MEMORY, CORES = "3G", 2  # for one learner: 1.8 GB were measured with three large lessons open
IDLE_SECONDS = 2 * 3600

HANDOUT = SHARED / "for-students"  # written by `python -m mobilenet_lib.teaching handout`; without it, all lessons
LESSONS = HANDOUT / "notebooks" if HANDOUT.exists() else readiness.originals()
CIFAR10 = SHARED / "cifar-10-python.tar.gz"
EXPORTS = SHARED / "exports"

# --- Who comes in, and from where ---

# The system's own accounts and passwords (PAM), which JupyterHub takes where nothing else is set. For a university's
# sign-on see `oauthenticator`; it needs accounts on this machine all the same, or a spawner that needs none.
c.LocalAuthenticator.allowed_groups = {LEARNERS, INSTRUCTORS}

# This machine only. Passwords must not travel in the clear: a proxy in front, which has the certificate, speaks HTTPS
# with the world and passes everything on to here.
c.JupyterHub.bind_url = "http://127.0.0.1:8000"

# --- A learner's own copy ---

# It runs with the rights of the learner. A hook of the hub would run as root, and root that writes into a home can be
# led anywhere by a link that lies there. An existing copy is left alone, whatever is in it: it is somebody's work. A
# lesson is spoilt? Rename the folder and start the server again: a fresh copy comes, and the old one is still there.
# The last step is a rename, so that a full disk or a power cut leaves no half a course. (No curly brackets in here:
# the systemd spawner would take them for its own.)
START = """
course="$HOME/mobilenet-course"
if [ ! -e "$course/notebooks" ]; then
  rm -rf "$course/notebooks.part" &&
  mkdir -p "$course/notebooks.part" &&
  cp "$COURSE_LESSONS"/*.ipynb "$course/notebooks.part" &&
  chmod -R u+w "$course/notebooks.part" &&
  mv "$course/notebooks.part" "$course/notebooks"
fi
[ -e "$HOME/hand-in" ] || ln -s "$COURSE_HAND_IN" "$HOME/hand-in"
exec "$@"
"""
c.Spawner.cmd = ["/bin/sh", "-c", START, "start", sys.executable, "-m", "jupyterhub.singleuser"]

# The whole home, so that who has filled it can also tidy it up; and at the first lesson.
c.Spawner.notebook_dir = "~"
c.Spawner.default_url = f"/lab/tree/mobilenet-course/notebooks/{readiness.first_lesson(LESSONS).name}"

# What the course's own launcher would set: no question about news, and a word about two errors that puzzle.
c.Spawner.environment = {
    **launch.jupyter_settings(),
    "COURSE_LESSONS": str(LESSONS),
    "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "/usr/bin:/bin")]),
    # Otherwise each kernel would compute with every core of the machine.
    "OMP_NUM_THREADS": str(CORES),
}

# One archive for everybody, which no learner can change: 170 MB that are not downloaded thirty times.
if CIFAR10.exists():
    c.Spawner.environment["MOBILENET_DATA"] = str(CIFAR10)

# One setting for the whole room. `python -m mobilenet_lib.teaching open` opens the solutions, and every learner's next
# call shows them; the servers run on.
if HANDOUT.exists():
    c.Spawner.environment["MOBILENET_LOCK"] = str(HANDOUT / "notebooks" / "handout.json")

# --- Progress that is handed in ---


def give_folder(spawner) -> None:
    """A folder for what a learner hands in: theirs to write, the instructors' to read, closed to everybody else.

    It lies where only root makes folders, so no link can stand in its place. The learner sees it as `hand-in`.
    """
    folder = EXPORTS / spawner.user.name
    spawner.environment = {**spawner.environment, "COURSE_HAND_IN": str(folder)}
    if not folder.exists():
        folder.mkdir(parents=True)
        with suppress(LookupError):  # a trial without accounts
            shutil.chown(folder, spawner.user.name, INSTRUCTORS)
        folder.chmod(0o2750)  # files in it belong to the group too


c.Spawner.pre_spawn_hook = give_folder

# --- What one learner may take of the machine ---

# The spawner must enforce them, and JupyterHub's own, which starts plain processes, does not: it tells the learner
# the memory, no more. On a machine with systemd: `pip install jupyterhub-systemdspawner`, and the next line.
# c.JupyterHub.spawner_class = "systemd"
c.Spawner.mem_limit, c.Spawner.cpu_limit = MEMORY, CORES

# A first start copies 9 MB and imports JupyterLab; thirty of them at nine o'clock take a while.
c.Spawner.start_timeout = c.Spawner.http_timeout = 180
c.JupyterHub.concurrent_spawn_limit = 10

# A kernel keeps its memory until it ends. Two hours without a sign end a kernel whose page is closed, and a server that
# nobody uses. JupyterLab has saved the notebooks by then, and a training run its checkpoint. A cell that prints is a
# sign of life, a silent one is none.
c.Spawner.args = [f"--MappingKernelManager.cull_idle_timeout={IDLE_SECONDS}"]
c.JupyterHub.services = [
    {"name": "idle-culler", "command": [sys.executable, "-m", "jupyterhub_idle_culler", f"--timeout={IDLE_SECONDS}"]}
]
c.JupyterHub.load_roles = [
    {
        "name": "idle-culler",
        "services": ["idle-culler"],
        "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
    }
]

# --- For whoever teaches ---

# They see who is here and stop a server that hangs, and cannot look into it.
with suppress(LookupError):  # a trial without groups
    c.JupyterHub.load_roles.append(
        {
            "name": "instructor",
            "users": grp.getgrnam(INSTRUCTORS).gr_mem,
            "scopes": ["admin-ui", "list:users", "read:servers", "read:users:activity", "delete:servers"],
        }
    )
