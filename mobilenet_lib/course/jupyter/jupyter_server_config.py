"""JupyterLab remembers an open slide deck as a setting, and whoever closed its tab would be in it the next time.

The hook runs for each page that JupyterLab opens, before the browser asks for the settings.
"""

import re
from contextlib import suppress
from pathlib import Path


def outside_of_the_deck(handler, page_config):
    kept = Path(handler.extensionapp.user_settings_dir, "jupyterlab-slideshow", "plugin.jupyterlab-settings")
    with suppress(OSError, UnicodeError):  # there is none, or it cannot be written
        found = kept.read_text(encoding="utf-8")
        kept.write_text(re.sub(r'("active"\s*:\s*)true', r"\1false", found), encoding="utf-8")
    return page_config


c = get_config()  # noqa: F821  Jupyter gives it to its configuration files
c.ServerApp.tornado_settings.update({"page_config_hook": outside_of_the_deck})
