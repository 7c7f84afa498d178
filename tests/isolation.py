"""The environment in which lessons are run by tests and by `refresh_notebooks.py`."""

from __future__ import annotations

from pathlib import Path


def isolated_environment(folder: Path) -> dict[str, str]:
    """Environment variables that keep a run apart from the settings and the progress of whoever starts it, and offline.

    folder: an empty folder, for what Jupyter, IPython, matplotlib and the course itself would keep at home.
    """
    return {
        "MOBILENET_INTERACTIVE": "0",
        "MOBILENET_PROGRESS": str(folder / "progress.sqlite"),
        "JUPYTER_CONFIG_DIR": str(folder / "jupyter"),
        "JUPYTER_DATA_DIR": str(folder / "jupyter-data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "jupyter-runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "lab-settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "lab-workspaces"),
        "IPYTHONDIR": str(folder / "ipython"),
        # Tests run side by side; kernels that each wait for every core are many times slower than with one.
        "OMP_NUM_THREADS": "1",
        "MPLCONFIGDIR": str(folder / "matplotlib"),
        "PYTHONSTARTUP": str(Path(__file__).with_name("kernel_startup.py")),
    }
