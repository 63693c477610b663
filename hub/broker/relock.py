"""For maintainers: write jars.lock anew with Maven, after changing ROOTS (`python -m hub.broker.relock`).

Maven resolves the versions and checks its own checksums (`-C`); we pin the SHA-256 of what it brought.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
from pathlib import Path

ROOTS = ("org.apache.kafka:kafka_2.13:4.3.1", "org.slf4j:slf4j-simple:1.7.36")


def _pom(roots: tuple[str, ...]) -> str:
    wanted = ""
    for root in roots:
        group, artifact, version = root.split(":")
        wanted += (
            f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>"
            f"<version>{version}</version></dependency>"
        )
    return (
        "<project><modelVersion>4.0.0</modelVersion><groupId>cohub</groupId><artifactId>broker</artifactId>"
        f"<version>1</version><dependencies>{wanted}</dependencies></project>"
    )


def relock(roots: tuple[str, ...], lock: Path) -> None:
    """Resolve the roots into a repository of its own and write their jars, in class path order, to the lock."""
    with tempfile.TemporaryDirectory() as folder:
        repository, class_path = Path(folder) / "repository", Path(folder) / "classpath"
        Path(folder, "pom.xml").write_text(_pom(roots), "utf-8")
        subprocess.run(
            [
                *("mvn", "-q", "-B", "-C", f"-Dmaven.repo.local={repository}", "-DincludeScope=runtime"),
                *(f"-Dmdep.outputFile={class_path}", "-Dmdep.pathSeparator=:", "dependency:build-classpath"),
            ],
            cwd=folder,
            check=True,
        )
        jars = []
        for name in class_path.read_text("utf-8").split(":"):
            content = Path(name).read_bytes()
            path = Path(name).relative_to(repository).as_posix()
            jars.append({"path": path, "sha256": hashlib.sha256(content).hexdigest(), "size": len(content)})
    lock.write_text(json.dumps({"roots": roots, "jars": jars}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    relock(ROOTS, Path(__file__).with_name("jars.lock"))
