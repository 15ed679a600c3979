"""What the README says is true: its commands exist, its files are there, its Python runs."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from viewers.cli import COMMANDS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(*languages: str) -> list[str]:
    fenced = README.split("```")[1::2]  # every other piece lies between an opening and a closing fence
    return [text.partition("\n")[2] for text in fenced if text.partition("\n")[0].strip() in languages]


def paco_lines() -> list[list[str]]:
    """Words after ``paco`` of every command in a shell block."""
    lines = [line for block in blocks("", "sh", "bash", "console") for line in block.splitlines()]
    calls = [call for line in lines for call in re.split(r"&&|;", line.partition("#")[0]) if re.search(r"(^|[\s/])paco\s", call)]
    return [shlex.split(call.split("paco ", 1)[1]) for call in calls]


def test_the_python_story_runs_as_it_stands(tmp_path: Path):
    stories = blocks("python")
    assert stories, "the README tells no Python story"
    done = subprocess.run([sys.executable, "-c", stories[0]], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.rglob("*.glb")), "the story ends without a scene"


def test_the_readme_shows_the_main_commands():
    shown = {words[0] for words in paco_lines()}
    assert {"demo", "reconstruct"} <= shown


@pytest.mark.parametrize("words", paco_lines(), ids=lambda words: words[0])
def test_every_command_and_option_of_the_readme_exists(words: list[str]):
    assert words[0] in [command.name for command in COMMANDS]
    help_text = subprocess.run(
        [sys.executable, "-m", "viewers.cli", words[0], "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for option in (word for word in words[1:] if word.startswith("--")):
        assert option in help_text


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\((?!https?:)([^)#]+)", README))))
def test_every_file_that_the_readme_links_to_is_there(target: str):
    assert (ROOT / target).exists()
