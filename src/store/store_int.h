/* store_int.h - what both stores share. */
#ifndef STORE_STORE_INT_H
#define STORE_STORE_INT_H

#include "store/store.h"

/* Removes the plain files of a staging folder: what writers left when the last process died.
 * Folders in it belong to others. */
int store_sweep(struct disk *disk, const char *dir, struct err *err);

#endif
