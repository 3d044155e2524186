"""special.py - what is not a table's content: file systems, uploads in parts, transactions over tables,
views, procedures. Each check is a function of the engines that are up; its name says what holds."""

import model

FIELDS = model.columns("id long, w string")
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
