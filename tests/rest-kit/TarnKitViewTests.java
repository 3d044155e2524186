package org.apache.iceberg.rest;

import org.apache.iceberg.catalog.Namespace;
import org.apache.iceberg.catalog.TableIdentifier;
import org.junit.jupiter.api.AfterEach;

/** The kit's tests of views. */
public class TarnKitViewTests extends RESTCompatibilityKitViewCatalogTests {
  /** The kit asks for file:/tmp, which only a catalog on the same machine could keep. */
  @Override
  protected String viewLocation(String... paths) {
    return "s3://warehouse/kit/" + String.join("/", paths);
  }

  /** The kit clears its two namespaces before a test, and does not look inside of them. */
  @AfterEach
  void clearNested() {
    for (Namespace top : catalog().listNamespaces()) clear(top);
  }

  private void clear(Namespace namespace) {
    for (Namespace child : catalog().listNamespaces(namespace)) clear(child);
    for (TableIdentifier view : catalog().listViews(namespace)) catalog().dropView(view);
    for (TableIdentifier table : tableCatalog().listTables(namespace))
      tableCatalog().dropTable(table, false);
    catalog().dropNamespace(namespace);
  }
}
