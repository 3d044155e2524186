/* control.h - how a command talks to the running instance: JSON lines over a unix socket.
 *
 * One request, one line: {"verb": "status", ...}. Answers are lines of JSON; the last has "end":
 * {"end": true}, or {"end": true, "error": "text", "code": -6} when it failed. A connection carries
 * one request after another; a handler may keep a session on it. A line that arrives while a
 * handler works asks it to stop: {"verb": "cancel"}, which itself gets no answer. The socket is in
 * the data folder, readable by its owner alone: whoever may read the folder may command it.
 * Threads: the server has one for connecting and one per client, at most CONTROL_CLIENTS_MAX.
 * Handlers run on the client's thread and may block.
 */
#ifndef CLI_CONTROL_H
#define CLI_CONTROL_H

#include "base/base.h"
#include "base/json.h"

#define CONTROL_CLIENTS_MAX 32
#define CONTROL_LINE_MAX (16 << 20)

struct control;
struct control_reply;

struct control_verb {
    const char *name;
    /* Returns 0 or a code with err filled: it becomes the last line. */
    int (*handle)(void *arg, const json_t *request, struct control_reply *reply, struct err *err);
};

/* One line of the answer; takes the reference. ERR_CLOSED: the client is gone. */
int control_send(struct control_reply *reply, json_t *line, struct err *err);
/* Whether the client went away or asked to cancel: long work asks now and then. Cheap. */
bool control_interrupted(struct control_reply *reply);
/* Something that a handler keeps for the life of the connection; `release` runs at its end. */
void *control_session(struct control_reply *reply);
void control_session_set(struct control_reply *reply, void *session, void (*release)(void *));

/* `verbs` ends with a NULL name and lives as long as the server, like `arg`. */
int control_new(struct control **out, const char *data_path, const struct control_verb *verbs,
                void *arg, struct err *err);
void control_free(struct control *control); /* waits for the clients' handlers; NULL is fine */

/* The other end. control_open gives ERR_CLOSED when nothing runs on the folder. */
struct control_link;
int control_open(struct control_link **out, const char *data_path, struct err *err);
void control_close(struct control_link *link); /* NULL is fine */
/* Each line but the last goes to `line` (may be NULL), borrowed. The code is the handler's, or
 * ERR_IO when the instance went away. */
int control_ask(struct control_link *link, const json_t *request,
                int (*line)(void *arg, const json_t *answer, struct err *err), void *arg,
                struct err *err);
void control_cancel(struct control_link *link); /* from a signal handler or another thread */

/* One question on a connection of its own. */
int control_call(const char *data_path, const json_t *request,
                 int (*line)(void *arg, const json_t *answer, struct err *err), void *arg,
                 struct err *err);

#endif
