"""Where the project's files are."""

import os
from pathlib import Path

from chm.errors import ChmError


def project_dir() -> Path:
    """Return the folder that holds dbt_project.yml.

    The environment variable CHM_PROJECT_DIR names it; without it, it is the checkout
    that this package was installed from.

    Raises:
        ChmError: the folder holds no dbt_project.yml.
    """
    folder = Path(os.environ.get("CHM_PROJECT_DIR", Path(__file__).parents[2])).resolve()
    if not (folder / "dbt_project.yml").is_file():
        raise ChmError(f"{folder} holds no dbt_project.yml: set CHM_PROJECT_DIR to the project")
    return folder
