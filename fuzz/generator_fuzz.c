/* generator_fuzz.c - templates of events from a project folder.
 *
 * What compiles must write: events are JSON, of no more bytes than was reserved (the sanitizer sees
 * to that), and the same ones again from the same seed. A second template is there to be referred
 * to. */
#include "base/disk_sim.h"
#include "base/json.h"
#include "generate/generate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char other[] =
    "{\"name\": \"other\", \"rate\": \"1s\", \"fields\": {\"id\": {\"kind\": \"sequence\", "
    "\"prefix\": \"o\"}, \"n\": {\"kind\": \"number\", \"min\": 1, \"max\": 9, \"scale\": 2}, "
    "\"s\": {\"kind\": \"choice\", \"values\": [\"a\", \"b\"]}}}";

static void write_events(const struct generate_set *set, const char *name, struct buf *values,
                         struct buf *keys)
{
    struct generator *generator = NULL;

    if (generator_new(&generator, set, name, 0, NULL))
        return;
    for (int i = 0; i < 20; i++) {
        size_t before = values->len;
        json_t *json = NULL;

        if (generator_next(generator, 1700000000000000 + i * 1000, values, keys))
            break;
        assert(json_parse(slice_of(values->ptr + before, values->len - before), &json, NULL) == 0);
        json_decref(json);
    }
    generator_free(generator);
}

static void run(struct disk *disk)
{
    struct arena arena = {0};
    struct yaml_problems problems = {.arena = &arena};
    struct buf values[2] = {{0}}, keys[2] = {{0}};
    struct generate_set *set = NULL;

    if (!generate_set_load(&set, disk, "g", &(struct generate_options){.seed = 3}, &problems, NULL))
        for (size_t i = 0; i < generate_set_count(set); i++) {
            for (int pass = 0; pass < 2; pass++) {
                buf_clear(&values[pass]);
                buf_clear(&keys[pass]);
                write_events(set, generate_set_name(set, i), &values[pass], &keys[pass]);
            }
            assert(slice_eq(buf_slice(&values[0]), buf_slice(&values[1])));
            assert(slice_eq(buf_slice(&keys[0]), buf_slice(&keys[1])));
        }
    generate_set_free(set);
    for (int pass = 0; pass < 2; pass++) {
        buf_deinit(&values[pass]);
        buf_deinit(&keys[pass]);
    }
    arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct disk_sim *sim = NULL;
    struct disk *disk;

    if (size > 8192 || disk_sim_new(&sim, 1, NULL))
        return 0;
    disk = disk_sim_disk(sim);
    if (!disk_mkdir(disk, "g", NULL) &&
        !disk_write_file(disk, "g/a.json", slice_of(data, size), NULL) &&
        !disk_write_file(disk, "g/z.json", SLICE_LIT(other), NULL))
        run(disk);
    disk_sim_free(sim);
    return 0;
}
