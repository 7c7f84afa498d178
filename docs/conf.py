"""Sphinx's settings for the site. `build.py` prepares the pages and calls Sphinx.

Nothing here asks another host for anything: formulas become MathML, explorers are a script of the site's own, and no
Jupyter widget of a page needs a kernel.
"""

from __future__ import annotations

import html
import os
import re
from importlib import metadata
from pathlib import Path
from xml.sax.saxutils import escape

from docutils import nodes

from mobilenet_lib import course
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
autodoc_mock_imports = ["torch"]  # no dependency of the course
autodoc_default_options = {"members": True}
autodoc_typehints = "signature"
python_maximum_signature_line_length = 88
add_module_names = False

html_theme = "sphinx_book_theme"
html_title = project
html_static_path = ["_static"]
html_favicon = "_static/favicon.svg"
html_css_files = ["site.css"]
html_js_files = [("site.js", {"defer": "defer"})]
html_context = {"default_mode": "auto"}
html_domain_indices = False
html_use_index = False
html_theme_options = {
    "use_download_button": True,
    "use_fullscreen_button": False,
    "navbar_persistent": [],  # the side bar has the search field
    "primary_sidebar_end": [],  # else a place for advertisements
    "show_navbar_depth": 1,
    "show_toc_level": 2,
}

# Where the site will be served from. With it pages name their own address, and there is a map of the site.
_address = os.environ.get("COURSE_SITE", "").strip().rstrip("/")
html_baseurl = f"{_address}/" if _address else ""

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


def _describe(app, pagename: str, templatename: str, context: dict, doctree) -> None:
    """What search engines and those who get a link to the page are told, and the scripts that the page needs."""
    body = context.get("body", "")
    title = re.sub("<[^>]*>", "", context.get("title", "")) or project
    told = {"og:title": html.unescape(title), "og:site_name": project, "og:type": "article" if doctree else "website"}
    if what := _description(pagename, doctree):
        told |= {"description": what, "og:description": what}
    if html_baseurl:
        told |= {"og:url": context["pageurl"], "og:image": f"{html_baseurl}_static/course.png"}
    kinds = {name: "property" if ":" in name else "name" for name in told}
    lines = [f'<meta {kinds[name]}="{name}" content="{html.escape(text)}" />' for name, text in told.items()]
    context["metatags"] = "\n".join([context.get("metatags", ""), *lines])
    explorers = sorted(set(re.findall(r'data-explorer="(\w+)"', body)))
    needed = [*explorers, "mount"] if explorers else []
    needed += ["guess"] * ("data-guess=" in body) + ["search"] * (pagename == "search")
    for name in needed:
        app.add_js_file(f"{name}.js", defer="defer")
    for name in ["explorers"] * bool(explorers) + ["guess"] * ("guess" in needed):
        app.add_css_file(f"{name}.css", priority=100)


def _description(pagename: str, doctree) -> str:
    """A lesson's question, or the first sentences of the page."""
    for lesson in course.LESSONS:
        if pagename == f"notebooks/{lesson.stem}":
            return f"{lesson.question} Lesson {lesson.number} of a course on MobileNet, in {lesson.minutes} minutes."
    first = doctree.next_node(nodes.paragraph) if doctree else None
    text = " ".join(first.astext().split()) if first else ""
    return text if len(text) <= 200 else text[:200].rpartition(" ")[0] + " …"


def _map_of_the_site(app, failed) -> None:
    """Every page by its address, for search engines."""
    if html_baseurl and not failed:
        places = [f"<url><loc>{escape(html_baseurl)}{name}.html</loc></url>" for name in sorted(app.env.found_docs)]
        space = "http://www.sitemaps.org/schemas/sitemap/0.9"
        text = f'<?xml version="1.0" encoding="utf-8"?>\n<urlset xmlns="{space}">\n{chr(10).join(places)}\n</urlset>\n'
        (Path(app.outdir) / "sitemap.xml").write_text(text, encoding="utf-8")


def setup(app) -> None:
    app.add_html_math_renderer("mathml", (_visit_inline, None), (_visit_block, None))
    app.connect("autodoc-process-docstring", _as_rst)
    app.connect("html-page-context", _describe)
    app.connect("build-finished", _map_of_the_site)
