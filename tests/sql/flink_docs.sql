-- Tables that examples of Flink's documentation presuppose; flink_docs.py takes those that an example names and does
-- not make. One table for all examples that name it: their columns are united.
CREATE TABLE Orders (id INT, order_id INT, product_id INT, productId INT, customer_id INT, `user` STRING, users STRING,
  product STRING, product_names ARRAY<STRING>, amount BIGINT, price DOUBLE, tax DOUBLE, total DOUBLE, currency STRING,
  o_amount INT, r_currency STRING, o_currency STRING, o_proctime AS PROCTIME(), proc_time AS PROCTIME(),
  order_timestamp TIMESTAMP(3), orderTime TIMESTAMP(3), order_time TIMESTAMP(3),
  WATERMARK FOR order_time AS order_time - INTERVAL '5' SECOND);
CREATE TABLE Product (id INT, name STRING);
CREATE TABLE NewProducts (product STRING);
CREATE TABLE Shipments (order_id INT, ship_time TIMESTAMP(3), WATERMARK FOR ship_time AS ship_time - INTERVAL '5' SECOND);
CREATE TABLE ShopSales (product_id STRING, category STRING, product_name STRING, sales BIGINT);
CREATE TABLE Bid (bidtime TIMESTAMP(3), price DECIMAL(10, 2), item STRING, supplier_id STRING,
  WATERMARK FOR bidtime AS bidtime - INTERVAL '1' SECOND);
CREATE TABLE Customers (id INT, name STRING, country STRING, zip STRING) WITH ('connector' = 'filesystem',
  'path' = 'customers', 'format' = 'csv');
CREATE TABLE LeftTable (row_time TIMESTAMP(3), num INT, id STRING, WATERMARK FOR row_time AS row_time - INTERVAL '1' SECOND);
CREATE TABLE RightTable (row_time TIMESTAMP(3), num INT, id STRING, WATERMARK FOR row_time AS row_time - INTERVAL '1' SECOND);
CREATE TABLE MyTable (id BIGINT NOT NULL, uid BIGINT, user_id BIGINT, name STRING, record_time TIMESTAMP_LTZ(3), measurement FLOAT,
  request_body STRING, log_ts STRING, col1 INT, col2 INT, col3 INT);
CREATE TABLE DataGenSource (n INT) WITH ('connector' = 'datagen');
CREATE TABLE source_table (id BIGINT, name STRING, age INT, price DOUBLE, quantity DOUBLE, order_time TIMESTAMP(3));
CREATE TABLE my_rtas_table (id BIGINT, name STRING, age INT);
CREATE TABLE page_view_source (`user` STRING, cnt INT, country STRING);
CREATE TABLE orders (o_orderkey INT, o_custkey INT, o_status BOOLEAN, o_totalprice DOUBLE, o_shippriority INT);
CREATE TABLE t1 (id BIGINT, name STRING, age INT);
CREATE TABLE t2 (id BIGINT, name STRING, age INT);
CREATE VIEW my_view AS SELECT id FROM t1;
CREATE TABLE left_input (join_key INT, v INT);
CREATE TABLE right_input (join_key INT, v INT);
CREATE TABLE LatestRates (currency STRING, rate INT);

-- Another table of this name, for examples of ALTER that do not go with the first.
CREATE TABLE MyTable (id BIGINT NOT NULL, measurement FLOAT, log_ts STRING, ts AS CAST(NULL AS TIMESTAMP(3)),
  PRIMARY KEY (id) NOT ENFORCED, WATERMARK FOR ts AS ts);
CREATE CATALOG cat2 WITH ('type' = 'generic_in_memory');
