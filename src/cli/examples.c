/* examples.c - files of examples/ as bytes of the program. The list is made by scripts/embed; the
 * assembler takes the bytes in, relative to the folder of the Makefile. */
#include "cli/examples.h"

#include "base/base.h"

#define EXAMPLE(number, project, path, file)                                                       \
    __asm__(".section .rodata\n.balign 8\nexample_" #number ": .incbin \"" file "\"\nexample_"     \
            #number "_end: .byte 0\n.previous\n");                                                 \
    extern const uint8_t example_##number[], example_##number##_end[];
#include "examples.inc"
#undef EXAMPLE

#define EXAMPLE(number, project, path, file)                                                       \
    {project, path, example_##number, example_##number##_end},
static const struct {
    const char *project, *path;
    const uint8_t *start, *end;
} files[] = {
#include "examples.inc"
};
#undef EXAMPLE

bool example_file(size_t index, struct example_file *out)
{
    if (index >= COUNT_OF(files))
        return false;
    out->project = files[index].project;
    out->path = files[index].path;
    out->bytes = slice_of(files[index].start, (size_t)(files[index].end - files[index].start));
    return true;
}
