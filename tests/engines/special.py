"""special.py - what is not a table's content: file systems, uploads in parts, transactions over tables,
views, procedures. Each check is a function of the engines that are up; its name says what holds."""

import hashlib
import json
import os
import re
import tempfile
import urllib.request

import hadoop
import model
from harness import boto

FIELDS = model.columns("id long, w string")
DEPS = os.environ.get("ENGINES_DEPS", os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "..", "..", ".deps", "engines"))
ROWS = [{"id": n, "w": f"w{n}"} for n in range(20)]
SPACE = "special"
CHECKS = []


def check(*needs):
    def add(function):
        CHECKS.append((function.__name__, needs, function))
        return function
    return add


def same(engine, table, rows, fields=FIELDS):
    wanted, got = model.canon_rows(fields, rows), model.canon_rows(fields, engine.do_read(table, fields))
    assert wanted == got, f"{engine.name}: {model.difference(wanted, got)}"


@check("spark", "pyiceberg", "duckdb", "tarn")
def s3a_writes_what_s3fileio_and_all_others_read(up, tarn):
    table, spark = (SPACE, "by_s3a"), up["spark"]
    spark.sql(f"CREATE TABLE s3a.{SPACE}.by_s3a (id BIGINT, w STRING) USING iceberg TBLPROPERTIES "
              "('format-version'='2', 'write.delete.mode'='merge-on-read')")
    spark.frame(FIELDS, ROWS).writeTo(f"s3a.{SPACE}.by_s3a").append()
    spark.sql(f"DELETE FROM s3a.{SPACE}.by_s3a WHERE id < 5")
    for name in ("spark", "pyiceberg", "duckdb", "tarn"):
        same(up[name], table, ROWS[5:])
    spark.do_append(table, FIELDS, ROWS[:2])  # through S3FileIO
    assert spark.sql(f"SELECT count(*) FROM s3a.{SPACE}.by_s3a")[0][0] == 17


def big(spark, catalog, name, duckdb, tarn):
    """24 MB that do not compress, in parts of 5 MB: what came out is what went in, by sums."""
    spark.sql(f"CREATE TABLE {catalog}.{SPACE}.{name} (id BIGINT, noise STRING) USING iceberg TBLPROPERTIES "
              "('write.parquet.compression-codec'='uncompressed')")
    spark.sql(f"INSERT INTO {catalog}.{SPACE}.{name} SELECT id, concat(sha2(cast(id AS STRING), 512), "
              "sha2(cast(-id AS STRING), 512)) FROM range(0, 90000, 1, 1)")
    files = spark.sql(f"SELECT file_size_in_bytes FROM {catalog}.{SPACE}.{name}.files")
    assert max(row[0] for row in files) > 20 << 20, files
    wanted = spark.sql(f"SELECT count(*), count(DISTINCT noise), sum(id), min(noise), max(noise) "
                       f"FROM {catalog}.{SPACE}.{name}")[0]
    assert tuple(wanted[:3]) == (90000, 90000, 90000 * 89999 // 2), wanted
    text = f"SELECT count(*), count(DISTINCT noise), CAST(sum(id) AS BIGINT), min(noise), max(noise) FROM lake.{SPACE}.{name}"
    got = duckdb.sql(text)[0]
    assert tuple(wanted) == tuple(got), (wanted, got)


@check("spark", "duckdb")
def s3fileio_uploads_in_parts(up, tarn):
    big(up["spark"], "parts", "big_s3fileio", up["duckdb"], tarn)


@check("spark", "duckdb")
def s3a_uploads_in_parts(up, tarn):
    big(up["spark"], "s3a", "big_s3a", up["duckdb"], tarn)


@check("duckdb", "pyiceberg", "tarn")
def a_transaction_of_duckdb_over_two_tables_is_one(up, tarn):
    duckdb = up["duckdb"]
    for name in ("left", "right"):
        duckdb.do_create((SPACE, name), FIELDS)
    for end, rows in (("ROLLBACK", []), ("COMMIT", ROWS)):
        duckdb.sql("BEGIN")
        for name in ("left", "right"):
            duckdb.do_append((SPACE, name), FIELDS, ROWS)
        duckdb.sql(end)
        for name in ("left", "right"):
            for reader in ("pyiceberg", "duckdb", "tarn"):
                same(up[reader], (SPACE, name), rows)


@check("spark")
def a_table_is_renamed_and_dropped_with_its_files(up, tarn):
    spark = up["spark"]
    spark.do_create((SPACE, "first"), FIELDS)
    spark.do_append((SPACE, "first"), FIELDS, ROWS)
    spark.sql(f"ALTER TABLE lake.{SPACE}.first RENAME TO {SPACE}.second")
    same(spark, (SPACE, "second"), ROWS)
    spark.sql(f"DROP TABLE lake.{SPACE}.second PURGE")
    assert not [row for row in spark.sql(f"SHOW TABLES IN lake.{SPACE}") if row[1] in ("first", "second")]


@check("spark", "pyiceberg", "duckdb", "tarn")
def a_table_is_replaced_and_made_from_a_query(up, tarn):
    spark = up["spark"]
    spark.frame(FIELDS, ROWS).createOrReplaceTempView("incoming")
    spark.sql(f"CREATE TABLE lake.{SPACE}.ctas USING iceberg AS SELECT * FROM incoming")
    spark.sql(f"CREATE OR REPLACE TABLE lake.{SPACE}.ctas USING iceberg PARTITIONED BY (bucket(3, id)) "
              "AS SELECT id, w FROM incoming WHERE id >= 10")
    for name in ("spark", "pyiceberg", "duckdb", "tarn"):
        same(up[name], (SPACE, "ctas"), ROWS[10:])


@check("spark", "pyiceberg")
def a_view_of_spark_is_listed_read_and_dropped(up, tarn):
    spark = up["spark"]
    spark.do_create((SPACE, "base"), FIELDS)
    spark.do_append((SPACE, "base"), FIELDS, ROWS)
    spark.sql(f"CREATE VIEW lake.{SPACE}.few AS SELECT id, w FROM lake.{SPACE}.base WHERE id < 3")
    same(spark, (SPACE, "few"), ROWS[:3])
    assert (SPACE, "few") in [tuple(v) for v in up["pyiceberg"].catalog.list_views(SPACE)]
    spark.sql(f"CREATE OR REPLACE VIEW lake.{SPACE}.few AS SELECT id, w FROM lake.{SPACE}.base WHERE id < 2")
    same(spark, (SPACE, "few"), ROWS[:2])
    spark.sql(f"DROP VIEW lake.{SPACE}.few")
    assert not up["pyiceberg"].catalog.list_views(SPACE)


@check("spark", "pyiceberg", "duckdb", "tarn")
def write_audit_publish_and_cherry_pick(up, tarn):
    spark, table = up["spark"], (SPACE, "audited")
    spark.do_create(table, FIELDS, properties={"write.wap.enabled": "true"})
    spark.do_append(table, FIELDS, ROWS[:2])
    spark.sql("SET spark.wap.id = audit-1")
    try:
        spark.do_append(table, FIELDS, ROWS[2:4])
    finally:
        spark.sql("RESET spark.wap.id")
    for name in ("spark", "pyiceberg", "duckdb", "tarn"):
        same(up[name], table, ROWS[:2])
    staged = spark.sql(f"SELECT snapshot_id FROM lake.{SPACE}.audited.snapshots WHERE summary['wap.id'] = 'audit-1'")[0][0]
    spark.sql(f"CALL lake.system.cherrypick_snapshot('{SPACE}.audited', {staged})")
    for name in ("spark", "pyiceberg", "duckdb", "tarn"):
        same(up[name], table, ROWS[:4])


@check("spark", "pyiceberg", "duckdb", "tarn")
def a_rollback_is_seen_by_all(up, tarn):
    spark, table = up["spark"], (SPACE, "back")
    spark.do_create(table, FIELDS)
    spark.do_append(table, FIELDS, ROWS[:2])
    first = spark.sql(f"SELECT snapshot_id FROM lake.{SPACE}.back.snapshots")[0][0]
    spark.do_append(table, FIELDS, ROWS[2:4])
    spark.do_rollback(table, first)
    for name in ("spark", "pyiceberg", "duckdb", "tarn"):
        same(up[name], table, ROWS[:2])


# ---- files by Hadoop's S3A on the second AWS SDK ----

def checksum(path):
    with open(path, "rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


@check("hadoop")
def s3a_of_hadoop_34_keeps_folders_and_files(up, tarn):
    boto(tarn).create_bucket(Bucket="hadoop")
    with hadoop.Shell(DEPS, tarn) as fs:
        with open(fs.path("big"), "wb") as out:
            out.write(os.urandom(24 << 20))
        with open(fs.path("small"), "w") as out:
            out.write("one\ntwo\n")
        fs("-mkdir", "-p", "s3a://hadoop/a/empty")
        fs("-put", fs.path("big"), fs.path("small"), "s3a://hadoop/a")
        fs("-put", "-d", fs.path("small"), "s3a://hadoop/a/odd name+%41=ü")
        found = re.findall(r"^([d-])\S+ .* (\d+) \S+ \S+ s3a://hadoop/(.+)$", fs("-ls", "-R", "s3a://hadoop/"), re.M)
        assert sorted(found) == [("-", "25165824", "a/big"), ("-", "8", "a/odd name+%41=ü"), ("-", "8", "a/small"),
                                 ("d", "0", "a"), ("d", "0", "a/empty")], found
        fs("-mv", "s3a://hadoop/a", "s3a://hadoop/b")  # a copy and a delete each, the large one in parts
        fs("-get", "s3a://hadoop/b/big", fs.path("back"))
        assert checksum(fs.path("big")) == checksum(fs.path("back"))
        assert fs("-cat", "s3a://hadoop/b/odd name+%41=ü") == "one\ntwo\n"
        assert fs("-tail", "s3a://hadoop/b/small") == "one\ntwo\n"
        fs("-test", "-e", "s3a://hadoop/a", status=1)
        fs("-rm", "-r", "-skipTrash", "s3a://hadoop/b")
        assert fs("-ls", "-R", "s3a://hadoop/") == ""


@check("hadoop")
def s3a_with_the_keys_of_a_role_may_only_read(up, tarn):
    store = boto(tarn)
    store.create_bucket(Bucket="roles")
    for key in ("mine/file", "other/file"):
        store.put_object(Bucket="roles", Key=key, Body=b"body\n")
    policy = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::roles/mine/*"},
        {"Effect": "Allow", "Action": ["s3:ListBucket", "s3:GetBucketLocation"], "Resource": "arn:aws:s3:::roles"}]}
    role = boto(tarn, "sts").assume_role(
        RoleArn="arn:aws:iam::000000000000:role/reader", RoleSessionName="hadoop", Policy=json.dumps(policy))
    keys = role["Credentials"]
    with hadoop.Shell(DEPS, tarn, {
            "fs.s3a.aws.credentials.provider": "org.apache.hadoop.fs.s3a.TemporaryAWSCredentialsProvider",
            "fs.s3a.access.key": keys["AccessKeyId"], "fs.s3a.secret.key": keys["SecretAccessKey"],
            "fs.s3a.session.token": keys["SessionToken"]}) as fs:
        assert fs("-cat", "s3a://roles/mine/file") == "body\n"
        assert "Status Code: 403" in fs("-cat", "s3a://roles/other/file", status=1)
        assert "Status Code: 403" in fs("-touchz", "s3a://roles/mine/new", status=1)


# ---- files, by Parquet's own library ----

@check("spark", "tarn")
def parquet_mr_finds_rows_by_indexes_and_bloom_filters(up, tarn):
    """tarn's pages, bounds of pages and bloom filters, read by the library that Spark brings."""
    import pyarrow.parquet

    table, spark = (SPACE, "indexed"), up["spark"]
    rows = [{"id": n * 7 % 1511, "w": None if n % 11 == 0 else f"w{n:05}"} for n in range(1500)]
    spark.do_create(table, FIELDS, properties={
        "write.parquet.page-row-limit": "200", "write.parquet.bloom-filter-enabled.column.w": "true"})
    up["tarn"].do_append(table, FIELDS, rows)
    (path,), = spark.sql(f"SELECT file_path FROM lake.{SPACE}.indexed.files")
    bucket, key = re.match("s3://([^/]+)/(.+)", path).groups()
    jvm = spark.session.sparkContext._jvm
    parquet, conf = jvm.org.apache.parquet, jvm.org.apache.hadoop.conf.Configuration()
    binary = parquet.io.api.Binary.fromString
    with tempfile.TemporaryDirectory(prefix="tarn-parquet-") as folder:
        local = os.path.join(folder, "file.parquet")
        boto(tarn).download_file(bucket, key, local)
        stored = pyarrow.parquet.read_table(local).to_pylist()
        where = jvm.org.apache.hadoop.fs.Path("file://" + local)
        reader = parquet.hadoop.ParquetFileReader.open(parquet.hadoop.util.HadoopInputFile.fromPath(where, conf))
        block, = reader.getFooter().getBlocks()
        for column in block.getColumns():
            name, bounds, pages = column.getPath().toDotString(), reader.readColumnIndex(column), reader.readOffsetIndex(column)
            assert pages.getPageCount() >= 1500 // 200, pages.getPageCount()
            for page in range(pages.getPageCount()):
                first, last = pages.getFirstRowIndex(page), pages.getLastRowIndex(page, len(stored))
                assert last - first < 200, (first, last)
                held = [row[name] for row in stored[first:last + 1]]
                values = [value for value in held if value is not None]
                assert bounds.getNullCounts()[page] == len(held) - len(values), (name, page)
                least, most = (bytes(side[page].array()) for side in (bounds.getMinValues(), bounds.getMaxValues()))
                if name == "id":
                    assert [int.from_bytes(b, "little") for b in (least, most)] == [min(values), max(values)], (name, page)
                else:
                    assert (least.decode(), most.decode()) == (min(values), max(values)), (name, page)
            if name == "w":
                bloom = reader.readBloomFilter(column)
                assert all(bloom.findHash(bloom.hash(binary(row["w"]))) for row in rows if row["w"])
                assert sum(bloom.findHash(bloom.hash(binary(f"x{n}"))) for n in range(1000)) < 100
        reader.close()
        only = parquet.filter2.predicate.FilterApi
        for text, count in (("w01322", 1), ("w01322x", 0)):
            found = (parquet.hadoop.ParquetReader.builder(parquet.hadoop.example.GroupReadSupport(), where).withConf(conf)
                     .withFilter(parquet.filter2.compat.FilterCompat.get(only.eq(only.binaryColumn("w"), binary(text))))
                     .usePageChecksumVerification().build())
            group, got = found.read(), []
            while group is not None:
                got.append((group.getLong("id", 0), group.getString("w", 0)))
                group = found.read()
            found.close()
            assert got == [(1322 * 7 % 1511, "w01322")][:count], got


# ---- keys: none at all ----

@check("spark", "pyiceberg", "duckdb", "tarn")
def s3fileio_has_its_requests_signed_by_the_catalog(up, tarn):
    spark, table = up["spark"], (SPACE, "signed")
    spark.sql(f"CREATE TABLE signed.{SPACE}.signed (id BIGINT, w STRING) USING iceberg "
              "TBLPROPERTIES ('write.delete.mode'='merge-on-read')")
    spark.frame(FIELDS, ROWS).writeTo(f"signed.{SPACE}.signed").append()
    spark.sql(f"DELETE FROM signed.{SPACE}.signed WHERE id < 5")
    assert spark.sql(f"SELECT count(*), min(id) FROM signed.{SPACE}.signed")[0][:] == (15, 5)
    for name in ("spark", "pyiceberg", "duckdb", "tarn"):
        same(up[name], table, ROWS[5:])
    spark.sql(f"CALL signed.system.expire_snapshots(table => '{SPACE}.signed', "
              "older_than => TIMESTAMP '2999-01-01 00:00:00', retain_last => 1)")  # DeleteObjects
    same(spark, table, ROWS[5:])
    big(spark, "signed", "big_signed", up["duckdb"], tarn)
    config = spark.sql(f"DESCRIBE EXTENDED signed.{SPACE}.signed")
    assert not any("secret" in str(row).lower() for row in config), config


# ---- views ----

def with_dialects(tarn, name, **texts):
    """A view of one query in several dialects, as no engine makes it alone."""
    version = {"version-id": 1, "timestamp-ms": 1, "schema-id": 0, "summary": {}, "default-catalog": "lake",
               "default-namespace": [SPACE],
               "representations": [{"type": "sql", "sql": sql, "dialect": word} for word, sql in texts.items()]}
    fields = [{"id": 1, "name": "id", "required": False, "type": "long"},
              {"id": 2, "name": "w", "required": False, "type": "string"}]
    body = {"name": name, "properties": {}, "view-version": version,
            "schema": {"type": "struct", "schema-id": 0, "fields": fields}}
    urllib.request.urlopen(urllib.request.Request(
        f"{tarn.rest}/v1/namespaces/{SPACE}/views", data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"})).close()


def refuses(engine, text, pattern):
    try:
        engine.sql(text)
    except Exception as error:
        assert re.search(pattern, str(error)), error
        return
    raise AssertionError(f"{engine.name} took {text!r}")


@check("spark", "trino", "pyiceberg", "tarn")
def views_of_spark_and_of_trino_are_shared(up, tarn):
    """An engine reads its own dialect, tarn both; of the other's view it has the name, and may drop it."""
    spark, trino, ours = up["spark"], up["trino"], up["tarn"]
    spark.do_create((SPACE, "seen"), FIELDS)
    spark.do_append((SPACE, "seen"), FIELDS, ROWS)
    spark.sql(f"USE lake.{SPACE}")
    spark.sql("CREATE VIEW of_spark AS SELECT id, upper(w) AS w FROM seen WHERE id < 3")
    trino.sql(f"CREATE VIEW lake.{SPACE}.of_trino AS SELECT id, upper(w) AS w FROM lake.{SPACE}.seen WHERE id < 3")
    wanted = [{"id": n, "w": f"W{n}"} for n in range(3)]
    for engine, view in ((spark, "of_spark"), (trino, "of_trino"), (ours, "of_spark"), (ours, "of_trino")):
        same(engine, (SPACE, view), wanted)
    assert {"of_spark", "of_trino"} <= {row[1] for row in spark.sql(f"SHOW VIEWS IN lake.{SPACE}")}
    assert {"of_spark", "of_trino"} <= {row[0] for row in trino.sql(f"SHOW TABLES FROM lake.{SPACE}")}
    assert {"of_spark", "of_trino"} <= {view[1] for view in up["pyiceberg"].catalog.list_views(SPACE)}
    refuses(trino, f"SELECT * FROM lake.{SPACE}.of_spark", "dialect")
    with_dialects(tarn, "of_both", spark="SELECT id, w FROM seen WHERE id < 2",
                  trino=f'SELECT id, w FROM "{SPACE}"."seen" WHERE id < 2')
    for engine in (spark, trino, ours):
        same(engine, (SPACE, "of_both"), ROWS[:2])
    spark.sql(f"DROP VIEW lake.{SPACE}.of_trino")
    trino.sql(f"DROP VIEW lake.{SPACE}.of_spark")
    left = {view[1] for view in up["pyiceberg"].catalog.list_views(SPACE)}
    assert not left & {"of_spark", "of_trino"}, left
    trino.sql(f"ALTER VIEW lake.{SPACE}.of_both RENAME TO lake.{SPACE}.both_again")
    same(spark, (SPACE, "both_again"), ROWS[:2])
