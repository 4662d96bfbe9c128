"""Spark sessions, classic and through Spark Connect, in one JVM; and a quiet end of the tests."""

import atexit
import os
import shutil
import socket
import sys

import pytest


@atexit.register  # first to be registered, so last to run
def _silence_the_interpreter():
    """DuckDB's binding lists hundreds of its own functions as leaked when the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stderr__.fileno())


def pytest_collection_modifyitems(items):
    """Tests of Spark come first: in a part of the work of one process, so that one JVM starts."""
    items.sort(key=lambda item: "spark" not in item.nodeid)


@pytest.fixture(scope="session")
def spark():
    """A classic session with two workers; Spark Connect listens beside it."""
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("Spark needs Java 17 or later, and there is no java on the path")
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    os.environ["PYSPARK_PYTHON"] = sys.executable
    from pyspark.sql import SparkSession

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    settings = {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "1g",
        # A JVM of three minutes: compiling for one of three hours took over half of its seconds.
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "3",
        "spark.log.level": "OFF",
        "spark.plugins": "org.apache.spark.sql.connect.SparkConnectPlugin",
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": port,
    }
    builder = SparkSession.builder.master("local[2]")
    for key, value in settings.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    yield session
    session.stop()


@pytest.fixture(scope="session")
def spark_connect(spark):
    """A session of Spark Connect to the same JVM."""
    from pyspark.sql.connect.session import SparkSession

    port = spark.conf.get("spark.connect.grpc.binding.port")
    session = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").create()
    yield session
    session.client.close()
