"""The page's bundle is what its sources give, byte for byte, with the licences of what it contains."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

WEB = Path(__file__).parents[2] / "visual" / "web"
NODE = shutil.which("node")


def missing() -> str | None:
    """What building it would need."""
    if NODE is None:
        return "no node"
    locked = json.loads((WEB / "package-lock.json").read_text())["packages"]
    for folder, package in locked.items():
        if not folder or package.get("optional"):
            continue
        manifest = WEB / folder / "package.json"
        if not manifest.exists() or json.loads(manifest.read_text())["version"] != package["version"]:
            return f"{folder} {package['version']} is not installed: `npm ci` in visual/web"
    return None


@pytest.mark.skipif(missing() is not None, reason=str(missing()))
def test_the_sources_give_the_bundle(tmp_path: Path) -> None:
    subprocess.run([str(NODE), "build.js", str(tmp_path)], cwd=WEB, check=True, capture_output=True)
    built = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    kept = {path.name: path.read_bytes() for path in (WEB / "dist").iterdir()}
    assert built == kept, "`npm ci && npm run build` in visual/web, and commit dist/"


def test_every_package_in_the_bundle_has_its_licence_there() -> None:
    bundle = (WEB / "dist" / "timeline.js").read_text()
    licences = bundle[bundle.index("/*! This bundle contains:") :]
    for name in json.loads((WEB / "package.json").read_text())["dependencies"]:
        assert f"\n{name} " in licences
    for text in licences.split("\n---\n"):
        assert "Copyright" in text and "PROVIDED" in text


def test_the_lock_names_no_registry() -> None:
    packages = json.loads((WEB / "package-lock.json").read_text())["packages"]
    assert packages and not [name for name, package in packages.items() if "resolved" in package]
