/* instance_test.c - a data folder has one owner and known formats; the control socket answers,
 * keeps sessions, cancels and outlives rude clients; rooms stop in the reverse of their order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/control.h"
#include "cli/data_dir.h"
#include "cli/logfile.h"

static char dir[200];

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/instance_test.XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    return disk_remove_tree(disk_system(), dir, NULL);
}

static const char *inside(const char *name)
{
    static char path[4][300];
    static int next;

    next = (next + 1) % 4;
    snprintf(path[next], sizeof(path[next]), "%s/%s", dir, name);
    return path[next];
}

/* ---- the data folder ---- */

static void a_data_folder_has_one_owner(void **state)
{
    struct data_dir *one = NULL, *two = NULL;
    struct err err = {0};
    int status, pid;

    (void)state;
    assert_int_equal(data_dir_open(&one, disk_system(), inside("data"), &err), 0);
    pid = fork(); /* flock belongs to the open file: another process must be refused */
    if (pid == 0)
        _exit(data_dir_open(&two, disk_system(), inside("data"), &err) == ERR_BUSY &&
                      strstr(err.text, "pid") && data_dir_owner(disk_system(), inside("data")) > 0
                  ? 0 : 1);
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    assert_int_equal(data_dir_owner(disk_system(), inside("data")), getpid());
    data_dir_close(one);
    assert_int_equal(data_dir_owner(disk_system(), inside("data")), 0);
    assert_int_equal(data_dir_open(&one, disk_system(), inside("data"), &err), 0);
    data_dir_close(one);
}

static void formats_and_folders_it_does_not_know_are_refused(void **state)
{
    static const struct {
        const char *version;
        int code;
        const char *expect;
    } cases[] = {
        {"{\"format\":{\"log\":2,\"state\":1,\"metadata\":1}}", ERR_UNSUPPORTED,
         "its log has format 2"},
        {"{\"format\":{\"log\":1,\"state\":1,\"metadata\":9}}", ERR_UNSUPPORTED, "newer program"},
        {"{\"format\":{\"log\":0,\"state\":1,\"metadata\":1}}", ERR_UNSUPPORTED, "log"},
        {"{\"format\":{\"log\":1}}", ERR_NOENT, "state"},
        {"not json", ERR_CORRUPT, "VERSION"},
    };
    struct disk *disk = disk_system();
    struct data_dir *data = NULL;
    struct err err = {0};

    (void)state;
    assert_int_equal(disk_mkdir(disk, inside("odd"), NULL), 0);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(
            disk_write_file(disk, inside("odd/VERSION"), slice_str(cases[i].version), NULL), 0);
        assert_int_equal(data_dir_open(&data, disk, inside("odd"), &err), cases[i].code);
        assert_non_null(strstr(err.text, cases[i].expect));
    }
    assert_int_equal(disk_unlink(disk, inside("odd/VERSION"), NULL), 0);
    assert_int_equal(disk_write_file(disk, inside("odd/thesis.tex"), SLICE_LIT("x"), NULL), 0);
    assert_int_equal(data_dir_open(&data, disk, inside("odd"), &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "thesis.tex"));
}

/* ---- the control socket ---- */

static int echo(void *arg, const json_t *request, struct control_reply *reply, struct err *err)
{
    json_t *list = json_object_get(request, "list");

    (void)arg;
    for (size_t i = 0; i < json_array_size(list); i++)
        if (control_send(reply, json_pack("{s:O}", "item", json_array_get(list, i)), err))
            return ERR_CLOSED;
    return 0;
}

static int refuse(void *arg, const json_t *request, struct control_reply *reply, struct err *err)
{
    (void)arg, (void)request, (void)reply;
    return err_set(err, ERR_NOENT, "there is no such thing");
}

static int released;

static void release(void *session)
{
    __atomic_add_fetch(&released, 1, __ATOMIC_SEQ_CST);
    free(session);
}

static int count(void *arg, const json_t *request, struct control_reply *reply, struct err *err)
{
    int *session = control_session(reply);

    (void)arg, (void)request;
    if (!session) {
        session = calloc(1, sizeof(*session));
        control_session_set(reply, session, release);
    }
    return control_send(reply, json_pack("{s:i}", "count", ++*session), err);
}

static int work_on(void *arg, const json_t *request, struct control_reply *reply, struct err *err)
{
    (void)arg, (void)request;
    if (control_send(reply, json_pack("{s:b}", "started", 1), err))
        return ERR_CLOSED;
    for (int i = 0; i < 2000; i++) {
        if (control_interrupted(reply))
            return err_set(err, ERR_CANCELLED, "cancelled");
        usleep(5000);
    }
    return 0;
}

static const struct control_verb verbs[] = {
    {"echo", echo}, {"refuse", refuse}, {"count", count}, {"work", work_on}, {NULL}};

static int collect(void *arg, const json_t *answer, struct err *err)
{
    (void)err;
    return json_array_append(arg, (json_t *)answer);
}

static int last_count(void *arg, const json_t *answer, struct err *err)
{
    (void)err;
    *(int *)arg = (int)json_integer_value(json_object_get(answer, "count"));
    return 0;
}

static int cancel_it(void *arg, const json_t *answer, struct err *err)
{
    (void)answer, (void)err;
    control_cancel(arg);
    return 0;
}

static void the_control_socket_answers(void **state)
{
    struct control *control = NULL;
    json_t *request = json_pack("{s:s,s:[i,s]}", "verb", "echo", "list", 1, "zwei");
    json_t *answers = json_array();
    struct err err = {0};

    (void)state;
    assert_int_equal(control_call(dir, request, NULL, NULL, &err), ERR_CLOSED);
    assert_int_equal(control_new(&control, dir, verbs, NULL, &err), 0);
    assert_int_equal(control_call(dir, request, collect, answers, &err), 0);
    assert_int_equal(json_array_size(answers), 2);
    json_object_set_new(request, "verb", json_string("refuse"));
    assert_int_equal(control_call(dir, request, NULL, NULL, &err), ERR_NOENT);
    assert_string_equal(err.text, "there is no such thing");
    json_object_set_new(request, "verb", json_string("dance"));
    assert_int_equal(control_call(dir, request, NULL, NULL, &err), ERR_UNSUPPORTED);
    control_free(control);
    assert_int_equal(control_call(dir, request, NULL, NULL, &err), ERR_CLOSED);
    json_decref(request);
    json_decref(answers);
}

static void a_connection_keeps_its_session_and_cancels(void **state)
{
    struct control *control = NULL;
    struct control_link *link = NULL;
    json_t *again = json_pack("{s:s}", "verb", "count"), *work = json_pack("{s:s}", "verb", "work");
    struct err err = {0};
    int value = 0;

    (void)state;
    released = 0;
    assert_int_equal(control_new(&control, dir, verbs, NULL, &err), 0);
    assert_int_equal(control_open(&link, dir, &err), 0);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(control_ask(link, again, last_count, &value, &err), 0);
        assert_int_equal(value, i);
    }
    assert_int_equal(control_ask(link, work, cancel_it, link, &err), ERR_CANCELLED);
    assert_int_equal(control_ask(link, again, last_count, &value, &err), 0);
    assert_int_equal(value, 4);
    control_close(link);
    control_free(control);
    assert_int_equal(released, 1);
    json_decref(again);
    json_decref(work);
}

/* Goal: half a line, noise and a client that leaves do no harm. */
static void rude_clients_do_no_harm(void **state)
{
    static const char *const noise[] = {"{\"verb\":", "\n\n\n", "[1,2]\n", "{\"verb\":7}\n",
                                        "\xff\xfe\n"};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct control *control = NULL;
    json_t *request = json_pack("{s:s}", "verb", "count");
    struct err err = {0};
    int value = 0;

    (void)state;
    assert_int_equal(control_new(&control, dir, verbs, NULL, &err), 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%.80s/control.sock", dir);
    for (size_t i = 0; i < 50; i++) {
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        const char *text = noise[i % COUNT_OF(noise)];

        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
            assert_true(send(fd, text, strlen(text), MSG_NOSIGNAL) >= 0);
        close(fd);
    }
    assert_int_equal(control_call(dir, request, last_count, &value, &err), 0);
    assert_int_equal(value, 1);
    control_free(control);
    json_decref(request);
}

static void a_long_folder_name_is_no_obstacle(void **state)
{
    char path[300];
    struct control *control = NULL;
    json_t *request = json_pack("{s:s}", "verb", "count");
    struct err err = {0};
    int value = 0;

    (void)state;
    snprintf(path, sizeof(path), "%.100s/%0150d", dir, 7);
    assert_int_equal(disk_mkdir(disk_system(), path, NULL), 0);
    assert_int_equal(control_new(&control, path, verbs, NULL, &err), 0);
    assert_int_equal(control_call(path, request, last_count, &value, &err), 0);
    assert_int_equal(value, 1);
    control_free(control);
    json_decref(request);
}

/* ---- the log file ---- */

static void the_log_is_renewed_at_its_size(void **state)
{
    struct logfile *logfile = NULL;
    struct logfile_options options = {.disk = disk_system(), .data_path = dir, .file_bytes = 2000,
                                      .files = 3};
    char recent[LOGFILE_RECENT][256];
    struct disk_stat stat;

    (void)state;
    assert_int_equal(logfile_new(&logfile, &options, NULL), 0);
    for (int i = 0; i < 200; i++)
        diag_warn("test", "line %d of a good many", i);
    assert_int_equal(logfile_recent(logfile, recent), LOGFILE_RECENT);
    assert_non_null(strstr(recent[LOGFILE_RECENT - 1], "line 199 "));
    logfile_free(logfile);
    assert_int_equal(disk_stat(disk_system(), inside("logs/tarn.log.2"), &stat, NULL), 0);
    assert_in_range(stat.size, 2000, 2200);
    assert_false(disk_exists(disk_system(), inside("logs/tarn.log.3")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_data_folder_has_one_owner),
        cmocka_unit_test(formats_and_folders_it_does_not_know_are_refused),
        cmocka_unit_test(the_control_socket_answers),
        cmocka_unit_test(a_connection_keeps_its_session_and_cancels),
        cmocka_unit_test(rude_clients_do_no_harm),
        cmocka_unit_test(a_long_folder_name_is_no_obstacle),
        cmocka_unit_test(the_log_is_renewed_at_its_size),
    };

    return cmocka_run_group_tests_name("instance", tests, make_dir, remove_dir);
}
