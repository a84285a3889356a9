"""What pyproject.toml cannot say: a wheel has config/ in the package, as ``pimvae/configuration``."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithConfiguration(build_py):
    """The usual build, and the configuration of the experiments."""

    def run(self) -> None:
        """Build, then copy."""
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib) / "pimvae" / "configuration"
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(Path(__file__).parent / "config", target)


setup(cmdclass={"build_py": BuildWithConfiguration})
