/* base.h - gathers the small headers that nearly every file needs. */
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/disk.h"
#include "base/err.h"
#include "base/rand.h"
#include "base/slice.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
