"""Draws the steps of a pipeline: Mermaid for Markdown, DOT for Graphviz, or an SVG picture, on stdout.

Solid arrows carry pictures; dashed ones are `after`, `else` and `size_of`.
"""

import argparse

from flowrunner.commands import pipelines
from flowrunner.commands.parsing import takes_files


def add_arguments(parser: argparse.ArgumentParser) -> None:
    shown = "a pipeline file, or a folder with one pipeline directly in it"
    takes_files(parser.add_argument("path", metavar="PATH", help=shown))
    choices = ("mermaid", "dot", "svg")
    parser.add_argument("--format", choices=choices, default="mermaid", help="mermaid, dot, svg (default: mermaid)")


def run(arguments: argparse.Namespace) -> int:
    from flowrunner.project import open_pipeline, open_project
    from flowrunner.report.drawings import dot, drawing, mermaid
    from flowrunner.report.svg import svg

    path = pipelines.one(arguments.path)
    drawn = drawing(open_pipeline(open_project(path), path).graph)
    print({"mermaid": mermaid, "dot": dot, "svg": svg}[arguments.format](drawn))
    return 0
