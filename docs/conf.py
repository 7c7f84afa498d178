"""Sphinx's settings for the site. `build.py` prepares the pages and calls Sphinx.

Nothing here asks another host for anything: formulas become MathML, explorers are a script of the site's own, and no
Jupyter widget of a page needs a kernel.
"""

from __future__ import annotations

import os
import re
from importlib import metadata

from mobilenet_lib.teaching._pages import mathml

project = "MobileNet, by hand and by measurement"
author = "The MobileNet course authors"
copyright = f"2026, {author}, MIT licence"
version = release = metadata.version("mobilenet-course")
language = "en"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["**/.ipynb_checkpoints"]

# The notebooks are shown as they were executed and tested.
nb_execution_mode = "off"
nb_code_prompt_show, nb_code_prompt_hide = "Show the {type}", "Hide the {type}"  # of what is folded
nb_ipywidgets_js = {}  # else require.js and a widget manager, both from another host
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
html_math_renderer = "mathml"

# Docstrings are plain sentences with `code` between backticks.
default_role = "literal"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
autodoc_typehints = "signature"
python_maximum_signature_line_length = 88
add_module_names = False

html_theme = "sphinx_book_theme"
html_title = project
html_static_path = ["_static"]
html_css_files = ["explorers.css", "site.css"]
html_js_files = [("explorers.js", {"defer": "defer"})]
html_domain_indices = False
html_use_index = False
html_theme_options = {
    "use_download_button": True,
    "use_fullscreen_button": False,
    "home_page_in_toc": True,
    "navbar_persistent": [],  # the side bar has the search field
    "show_navbar_depth": 1,
    "show_toc_level": 2,
}

# Where the course's repository is public, pages link to it and start on Binder.
_repository = os.environ.get("COURSE_REPOSITORY", "").strip().rstrip("/")
if _repository:
    html_theme_options |= {
        "repository_url": _repository,
        "repository_branch": os.environ.get("COURSE_BRANCH", "main"),
        "use_repository_button": True,
        "launch_buttons": {"binderhub_url": "https://mybinder.org", "notebook_interface": "jupyterlab"},
    }


def _visit_inline(translator, node) -> None:
    translator.body.append(mathml(node.astext(), block=False))
    _skip()


def _visit_block(translator, node) -> None:
    # Long formulas scroll in their own box, also with the keyboard.
    formula = mathml(node.astext(), block=True)
    translator.body.append(f'<div class="formula" tabindex="0">{formula}</div>')
    _skip()


def _skip() -> None:
    from docutils.nodes import SkipNode

    raise SkipNode


def _as_rst(app, what, name, obj, options, lines: list[str]) -> None:
    """Docstrings as reStructuredText: an indented block is program text, every other sign is itself."""
    plain, before = [], ""
    for line in lines:
        indented = line.startswith("    ")
        if indented and not before.startswith("    ") and not before.strip():
            plain += ["::", ""]
        if not indented:
            line = re.sub(r"([*|\\])|_(?=\W|$)", lambda found: "\\" + found[0], line)
            line = re.sub(r"`[^`]*`", lambda found: found[0].replace("\\", ""), line)
        plain.append(line)
        before = line if line.strip() or not before.startswith("    ") else before
    lines[:] = plain


def setup(app) -> None:
    app.add_html_math_renderer("mathml", (_visit_inline, None), (_visit_block, None))
    app.connect("autodoc-process-docstring", _as_rst)
