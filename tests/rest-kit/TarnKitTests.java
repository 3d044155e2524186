package org.apache.iceberg.rest;

import org.apache.iceberg.catalog.Namespace;
import org.apache.iceberg.catalog.TableIdentifier;
import org.junit.jupiter.api.AfterEach;

/** The Java project's own REST compatibility kit, told what our catalog can do. */
public class TarnKitTests extends RESTCompatibilityKitCatalogTests {
  /** The kit asks for file:/tmp, which only a catalog on the same machine could keep. */
  @Override
  protected String baseTableLocation(TableIdentifier table) {
    return "s3://warehouse/kit/" + table.namespace() + "/" + table.name();
  }

  @Override
  protected boolean supportsNestedNamespaces() {
    return true;
  }

  @Override
  protected boolean supportsNamesWithSlashes() {
    return true;
  }

  @Override
  protected boolean supportsNamesWithDot() {
    return true;
  }

  /** The kit clears its two namespaces before a test, and does not look inside of them. */
  @AfterEach
  void clearNested() {
    for (Namespace top : catalog().listNamespaces()) clear(top);
  }

  private void clear(Namespace namespace) {
    for (Namespace child : catalog().listNamespaces(namespace)) clear(child);
    for (TableIdentifier table : catalog().listTables(namespace)) catalog().dropTable(table, false);
    catalog().dropNamespace(namespace);
  }
}
