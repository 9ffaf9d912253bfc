"""Make a data set: clients, pipelines, runs and alert rules, with planted faults."""

from chm.generate.config import GenerateConfig, make_config
from chm.generate.dataset import DataSet, generate
from chm.generate.writer import WrittenFile, write

__all__ = ["DataSet", "GenerateConfig", "WrittenFile", "generate", "make_config", "write"]
