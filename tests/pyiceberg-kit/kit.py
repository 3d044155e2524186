"""kit.py - pyiceberg's own integration scenarios against tarn's catalog and S3 face.

    kit.py SOURCE [pytest's arguments]

SOURCE is the unpacked source distribution of pyiceberg, whose tests expect a REST catalog at
localhost:8181, MinIO at localhost:9000 and a Hive metastore. A copy of them is told where tarn is; what
is Hive's, or of a catalog that is a file, is left out. Tables that the reading tests expect are made by
their own script (dev/provision.py), through Spark.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "clients"))
from harness import ACCESS_KEY, SECRET_KEY, Tarn  # noqa: E402

JARS = os.path.join(ROOT, ".deps", "engines", "spark")
NOT_OURS = "not hive and not sqlite and not memory"  # of test ids: other catalogs


def aim(text, tarn):
    """Their addresses and keys become ours."""
    for host in ("localhost", "rest", "minio"):
        text = text.replace(f"http://{host}:8181", tarn.rest).replace(f"http://{host}:9000", tarn.s3_url)
    text = text.replace("s3_endpoint='localhost:9000'", f"s3_endpoint='127.0.0.1:{tarn.s3}'")
    text = text.replace('"s3.access-key-id": "admin"', f'"s3.access-key-id": "{ACCESS_KEY}"')
    # Their catalog lends no keys, and some of them write beside the table with keys of their own.
    text = text.replace('"s3.secret-access-key": "password"', f'"s3.secret-access-key": "{SECRET_KEY}", '
                        '"header.X-Iceberg-Access-Delegation": "none"')
    text = re.sub(r' *os.environ\["PYSPARK_SUBMIT_ARGS"\] = \(.*?\n    \)\n', "", text, flags=re.S)
    text = text.replace('_KEY_ID"] = "admin"', f'_KEY_ID"] = "{ACCESS_KEY}"')
    text = text.replace('_ACCESS_KEY"] = "password"', f'_ACCESS_KEY"] = "{SECRET_KEY}"')
    text = re.sub(r' *\.config\("spark.sql.(catalog.(hive|spark_catalog)|catalogImplementation).*\n', "", text)
    return re.sub(r"    'hive': load_catalog\(.*?\n    \),\n", "", text, flags=re.S)


def spark_arguments(tarn):
    """For PYSPARK_SUBMIT_ARGS: Iceberg's jars, small memory, and the catalog as `rest` for their script."""
    jars = ":".join(os.path.join(JARS, name) for name in sorted(os.listdir(JARS)) if name.endswith(".jar"))
    catalog = {"": "org.apache.iceberg.spark.SparkCatalog", ".type": "rest", ".uri": tarn.rest,
               ".cache-enabled": "false", ".io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
               ".s3.endpoint": tarn.s3_url, ".s3.path-style-access": "true"}
    settings = {"spark.driver.extraClassPath": jars, "spark.driver.memory": "1200m", "spark.ui.enabled": "false",
                "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
                "spark.sql.defaultCatalog": "rest", "spark.sql.session.timeZone": "UTC",
                "spark.sql.catalog.integration.header.X-Iceberg-Access-Delegation": "none",
                **{"spark.sql.catalog.rest" + name: value for name, value in catalog.items()}}
    return " ".join(f"--conf {name}={value}" for name, value in settings.items()) + " pyspark-shell"


def copy(source, into, tarn):
    for folder in ("tests", "dev"):
        shutil.copytree(os.path.join(source, folder), os.path.join(into, folder))
    shutil.copy(os.path.join(source, "pyproject.toml"), into)
    for folder, _, names in os.walk(into):
        for name in names:
            if name.endswith(".py"):
                path = os.path.join(folder, name)
                with open(path, encoding="utf-8") as file:
                    text = file.read()
                with open(path, "w", encoding="utf-8") as file:
                    file.write(aim(text, tarn))


def make_namespace(tarn):
    body = json.dumps({"namespace": ["default"]}).encode()
    urllib.request.urlopen(urllib.request.Request(
        tarn.rest + "/v1/namespaces", data=body, headers={"Content-Type": "application/json"})).close()


def main():
    source, arguments = os.path.abspath(sys.argv[1]), sys.argv[2:] or ["tests/integration"]
    tarn = Tarn(settings={"kafka": {"enabled": False}})
    with tempfile.TemporaryDirectory(prefix="tarn-pyiceberg-") as folder:
        try:
            tarn.start()
            copy(source, folder, tarn)
            env = os.environ | {"PYSPARK_SUBMIT_ARGS": spark_arguments(tarn), "AWS_REGION": "us-east-1",
                                "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
                                "SPARK_LOCAL_IP": "127.0.0.1", "TZ": "UTC"}
            make_namespace(tarn)
            if not os.environ.get("NO_SPARK"):
                subprocess.run([sys.executable, "dev/provision.py"], cwd=folder, env=env, check=True)
            done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore", "-m", "integration",
                                   "-k", NOT_OURS, "--tb=short", *arguments], cwd=folder, env=env, check=False)
        finally:
            tarn.close()
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
