/* key_run.c - sorted runs of a key index: written once, searched by page. See key_index.h.
 *
 * A run's file: pages, then first hashes (8 bytes each), then the filter, then 40 bytes: magic,
 * entries, pages, blocks of the filter, CRC of first hashes and filter, CRC of these 36 bytes.
 * Numbers are the machine's (little-endian): the file is a cache of this machine.
 *
 * The filter is a blocked one: 64 bytes per block, the block by the top bits of the hash, so that a
 * sorted batch walks through it, and six bits in it: 3 % false at its 8 bits per key. */
#include "base/codec.h"
#include "lake/key_index_int.h"

#define RUN_MAGIC    0x314e55525945544bull /* "KTEYRUN1" */
#define CHUNK_PAGES  256
#define BLOOM_PROBES 6
#define ENTRIES_MAX  ((uint64_t)1 << 36)

struct __attribute__((packed)) footer {
    uint64_t magic, count, page_count, bloom_blocks;
    uint32_t crc, footer_crc;
};

static uint32_t page_crc(const struct key_page *page)
{
    return crc32c(0, page, offsetof(struct key_page, crc));
}

static bool page_holds(const struct key_page *page)
{
    return page->crc == page_crc(page) && page->count && page->count <= RUN_PER_PAGE;
}

/* ---- filter ---- */

static uint8_t *bloom_block(const struct key_run *run, uint64_t hash)
{
    return run->bloom + (size_t)(((__uint128_t)hash * run->bloom_blocks) >> 64) * 64;
}

static void bloom_add(struct key_run *run, uint64_t hash)
{
    uint8_t *block = bloom_block(run, hash);
    uint64_t bits = hash * 0x9e3779b97f4a7c15ull; /* the block took the top bits */

    for (int i = 0; i < BLOOM_PROBES; i++, bits >>= 9)
        block[(bits & 511) >> 3] |= (uint8_t)(1u << (bits & 7));
}

bool key_run_may_have(const struct key_run *run, struct key_hash key)
{
    uint64_t bits = key.hash * 0x9e3779b97f4a7c15ull;
    const uint8_t *block;

    if (!run->bloom)
        return true;
    block = bloom_block(run, key.hash);
    for (int i = 0; i < BLOOM_PROBES; i++, bits >>= 9)
        if (!(block[(bits & 511) >> 3] >> (bits & 7) & 1))
            return false;
    return true;
}

/* ---- memory ---- */

void key_run_free(struct key_run *run)
{
    if (!run)
        return;
    file_close(run->file);
    free(run->fences);
    free(run->bloom);
    free(run->pages);
    free(run);
}

int64_t key_run_fixed_bytes(const struct key_run *run)
{
    return (int64_t)(sizeof(*run) + run->page_count * 8 +
                     (run->bloom ? run->bloom_blocks * 64 : 0));
}

int64_t key_run_page_bytes(const struct key_run *run)
{
    return (int64_t)(run->page_count * RUN_PAGE);
}

void key_run_unload(struct key_run *run)
{
    if (run->file) {
        free(run->pages);
        run->pages = NULL;
    }
}

int key_run_load(struct key_run *run, struct err *err)
{
    struct key_page *pages = malloc(run->page_count * RUN_PAGE + 1);
    int rc = pages ? file_read_all(run->file, pages, run->page_count * RUN_PAGE, 0, err)
                   : err_set(err, ERR_NOMEM, "key index");

    for (uint64_t i = 0; i < run->page_count && !rc; i++)
        if (!page_holds(&pages[i]))
            rc = err_set(err, ERR_CORRUPT, "key index: page %" PRIu64 " does not hold", i);
    if (rc)
        free(pages);
    else
        run->pages = pages;
    return rc;
}

/* ---- writing ---- */

int run_writer_init(struct run_writer *w, struct disk *disk, const char *path, uint64_t number,
                    uint64_t count_max, bool keep, struct err *err)
{
    struct key_run *run = calloc(1, sizeof(*run));
    int rc = 0;

    *w = (struct run_writer){.run = run, .disk = disk, .path = path, .keep = keep || !path};
    if (!run)
        return err_set(err, ERR_NOMEM, "key index");
    run->number = number;
    run->bloom_blocks = count_max / 64 + 1;
    run->bloom = calloc(run->bloom_blocks, 64);
    run->fences = calloc(count_max / RUN_PER_PAGE + 1, sizeof(*run->fences));
    w->chunk_cap = w->keep ? count_max / RUN_PER_PAGE + 1 : CHUNK_PAGES;
    w->chunk = calloc(w->chunk_cap, sizeof(*w->chunk));
    if (!run->bloom || !run->fences || !w->chunk)
        rc = err_set(err, ERR_NOMEM, "key index");
    if (!rc && path)
        rc = disk_open(disk, &run->file, path, DISK_WRITE | DISK_CREATE | DISK_TRUNCATE, err);
    if (rc)
        run_writer_deinit(w);
    return rc;
}

void run_writer_deinit(struct run_writer *w)
{
    key_run_free(w->run);
    free(w->chunk);
    *w = (struct run_writer){0};
}

/* Full pages from `from` on go to the file; when none is kept their room is used again. */
static int write_pages(struct run_writer *w, struct err *err)
{
    struct key_run *run = w->run;
    uint64_t first = run->page_count - w->chunk_count;

    if (w->path && w->chunk_count) {
        int rc = file_pwrite(run->file, w->chunk, w->chunk_count * RUN_PAGE,
                             (int64_t)(first * RUN_PAGE), err);

        if (rc)
            return rc;
    }
    if (!w->keep) {
        memset(w->chunk, 0, w->chunk_count * RUN_PAGE);
        w->chunk_count = 0;
    }
    return 0;
}

int run_writer_add(struct run_writer *w, const struct key_entry *entry, struct err *err)
{
    struct key_run *run = w->run;
    struct key_page *page;

    if (run->count ==
        run->page_count * RUN_PER_PAGE) { /* the last page is full, or there is none */
        if (!w->keep && w->chunk_count == w->chunk_cap) {
            int rc = write_pages(w, err);

            if (rc)
                return rc;
        }
        run->fences[run->page_count++] = entry->hash;
        w->chunk_count++;
    }
    page = &w->chunk[w->chunk_count - 1];
    page->entries[page->count++] = *entry;
    if (page->count == RUN_PER_PAGE)
        page->crc = page_crc(page);
    bloom_add(run, entry->hash);
    run->count++;
    return 0;
}

static int write_footer(struct run_writer *w, struct err *err)
{
    struct key_run *run = w->run;
    int64_t pos = (int64_t)(run->page_count * RUN_PAGE);
    struct footer footer = {RUN_MAGIC, run->count, run->page_count, run->bloom_blocks, run->crc, 0};
    int rc = file_pwrite(run->file, run->fences, run->page_count * 8, pos, err);

    pos += (int64_t)run->page_count * 8;
    rc = rc ? rc : file_pwrite(run->file, run->bloom, run->bloom_blocks * 64, pos, err);
    pos += (int64_t)run->bloom_blocks * 64;
    footer.footer_crc = crc32c(0, &footer, offsetof(struct footer, footer_crc));
    return rc ? rc : file_pwrite(run->file, &footer, sizeof(footer), pos, err);
}

int run_writer_end(struct run_writer *w, struct key_run **out, struct err *err)
{
    struct key_run *run = w->run;
    int rc;

    if (w->chunk_count)
        w->chunk[w->chunk_count - 1].crc = page_crc(&w->chunk[w->chunk_count - 1]);
    run->crc = crc32c(0, run->fences, run->page_count * 8);
    run->crc = crc32c(run->crc, run->bloom, run->bloom_blocks * 64);
    rc = write_pages(w, err);
    if (!rc && w->path)
        rc = write_footer(w, err);
    if (rc)
        return rc;
    if (w->keep) {
        run->pages = w->chunk;
        w->chunk = NULL;
    }
    *out = run;
    w->run = NULL;
    run_writer_deinit(w);
    return 0;
}

/* ---- opening ---- */

static int read_footer(struct key_run *run, struct footer *footer, struct err *err)
{
    int64_t size;
    int rc = file_size(run->file, &size, err);

    if (!rc && size < (int64_t)sizeof(*footer))
        rc = err_set(err, ERR_CORRUPT, "it is cut short");
    rc = rc ? rc
            : file_read_all(run->file, footer, sizeof(*footer), size - (int64_t)sizeof(*footer),
                            err);
    if (rc)
        return rc;
    if (footer->magic != RUN_MAGIC || footer->count > ENTRIES_MAX ||
        footer->footer_crc != crc32c(0, footer, offsetof(struct footer, footer_crc)) ||
        footer->page_count > footer->count ||
        (uint64_t)size !=
            footer->page_count * (RUN_PAGE + 8) + footer->bloom_blocks * 64 + sizeof(*footer))
        return err_set(err, ERR_CORRUPT, "its end does not hold");
    return 0;
}

static int read_index(struct key_run *run, struct err *err)
{
    int64_t pos = (int64_t)(run->page_count * RUN_PAGE);
    uint32_t crc;
    int rc;

    run->fences = malloc(run->page_count * 8 + 8);
    run->bloom = malloc(run->bloom_blocks * 64 + 1);
    if (!run->fences || !run->bloom)
        return err_set(err, ERR_NOMEM, "key index");
    rc = file_read_all(run->file, run->fences, run->page_count * 8, pos, err);
    pos += (int64_t)run->page_count * 8;
    rc = rc ? rc : file_read_all(run->file, run->bloom, run->bloom_blocks * 64, pos, err);
    if (rc)
        return rc;
    crc = crc32c(0, run->fences, run->page_count * 8);
    crc = crc32c(crc, run->bloom, run->bloom_blocks * 64);
    return crc == run->crc ? 0 : err_set(err, ERR_CORRUPT, "its filter does not hold");
}

int key_run_open(struct key_run **out, struct disk *disk, const char *path, uint64_t number,
                 uint64_t count, uint32_t crc, struct err *err)
{
    struct key_run *run = calloc(1, sizeof(*run));
    struct footer footer;
    int rc = run ? disk_open(disk, &run->file, path, DISK_READ, err)
                 : err_set(err, ERR_NOMEM, "key index");

    rc = rc ? rc : read_footer(run, &footer, err);
    if (!rc && (footer.count != count || footer.crc != crc))
        rc = err_set(err, ERR_CORRUPT, "it is another one");
    if (!rc) {
        run->number = number;
        run->count = footer.count;
        run->page_count = footer.page_count;
        run->bloom_blocks = footer.bloom_blocks;
        run->crc = footer.crc;
        run->synced = true;
        rc = read_index(run, err);
    }
    if (rc) {
        key_run_free(run);
        return err_wrap(err, rc, "%s", path);
    }
    *out = run;
    return 0;
}

/* ---- reading ---- */

int run_reader_init(struct run_reader *r, struct key_run *run, size_t window, int64_t *pages_read,
                    struct err *err)
{
    *r = (struct run_reader){.run = run, .window = window, .pages_read = pages_read};
    if (run->pages)
        return 0;
    r->buffer = malloc(window * RUN_PAGE);
    return r->buffer ? 0 : err_set(err, ERR_NOMEM, "key index");
}

void run_reader_deinit(struct run_reader *r)
{
    free(r->buffer);
    r->buffer = NULL;
}

int run_reader_page(struct run_reader *r, uint64_t page, const struct key_page **out,
                    struct err *err)
{
    struct key_run *run = r->run;
    uint64_t count = run->page_count - page < r->window ? run->page_count - page : r->window;
    int rc;

    if (run->pages) {
        *out = &run->pages[page];
        return 0;
    }
    if (page >= r->from && page < r->from + r->held) {
        *out = &r->buffer[page - r->from];
        return 0;
    }
    r->held = 0;
    rc = file_read_all(run->file, r->buffer, count * RUN_PAGE, (int64_t)(page * RUN_PAGE), err);
    for (uint64_t i = 0; i < count && !rc; i++)
        if (!page_holds(&r->buffer[i]))
            rc = err_set(err, ERR_CORRUPT, "key index: page %" PRIu64 " does not hold", page + i);
    if (rc)
        return rc;
    *r->pages_read += (int64_t)count;
    r->from = page;
    r->held = count;
    *out = r->buffer;
    return 0;
}

/* Entries of one hash may begin at the end of the page before the first that starts with it.
 * Hashes are spread evenly, so the search starts where the hash should be. */
uint64_t key_run_page_of(const struct key_run *run, uint64_t from, uint64_t hash)
{
    uint64_t low = from, high = run->page_count, step = 1; /* the answer + 1 is in [low, high] */
    uint64_t guess = (uint64_t)(((__uint128_t)hash * run->page_count) >> 64);

    if (guess > low) {
        if (run->fences[guess] < hash) {
            low = guess + 1;
            while (low + step < high && run->fences[low + step] < hash) {
                low += step + 1;
                step *= 2;
            }
            high = low + step < high ? low + step : high;
        } else {
            high = guess;
            while (high > low + step && run->fences[high - step] >= hash) {
                high -= step;
                step *= 2;
            }
            low = high > low + step ? high - step : low;
        }
    }
    while (low < high) {
        uint64_t mid = low + (high - low) / 2;

        if (run->fences[mid] < hash)
            low = mid + 1;
        else
            high = mid;
    }
    return low > from ? low - 1 : from;
}
