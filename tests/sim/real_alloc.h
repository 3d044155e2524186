/* real_alloc.h - what the linker calls malloc and its kin when it wraps them. */
#ifndef TESTS_SIM_REAL_ALLOC_H
#define TESTS_SIM_REAL_ALLOC_H

#include <stddef.h>

void *__real_malloc(size_t);
void *__real_calloc(size_t, size_t);
void *__real_realloc(void *, size_t);
char *__real_strdup(const char *);

#endif
