/* tcp_port.c - who holds a port: the listening socket's inode from /proc/net/tcp, then the process
 * that has it open. Processes of other users stay hidden to us; then only the port is named. */
#include "base/tcp_int.h"

#include <ctype.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATE_LISTEN 0x0a

/* proc(5): "sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode". */
static unsigned long listening_inode(const char *table, int port)
{
    FILE *file = fopen(table, "r"); /* not data: the kernel's own accounting */
    unsigned long inode = 0, found = 0;
    unsigned local_port, state;
    char line[512];

    while (file && !found && fgets(line, sizeof(line), file))
        if (sscanf(line, "%*d: %*[0-9A-Fa-f]:%x %*s %x %*s %*s %*s %*s %*s %lu", &local_port,
                   &state, &inode) == 3 &&
            state == STATE_LISTEN && (int)local_port == port)
            found = inode;
    if (file)
        fclose(file);
    return found;
}

static bool holds(const char *pid, const char *socket)
{
    char path[600], target[64];
    struct dirent *entry;
    bool found = false;
    DIR *dir;

    snprintf(path, sizeof(path), "/proc/%s/fd", pid);
    dir = opendir(path);
    while (dir && !found && (entry = readdir(dir))) {
        ssize_t len;

        snprintf(path, sizeof(path), "/proc/%s/fd/%s", pid, entry->d_name);
        len = readlink(path, target, sizeof(target) - 1);
        if (len > 0) {
            target[len] = '\0';
            found = strcmp(target, socket) == 0;
        }
    }
    if (dir)
        closedir(dir);
    return found;
}

static void process_name(const char *pid, char *out, int len)
{
    char path[300];
    FILE *file;

    out[0] = '\0';
    snprintf(path, sizeof(path), "/proc/%s/comm", pid);
    file = fopen(path, "r");
    if (file && !fgets(out, len, file))
        out[0] = '\0';
    if (file)
        fclose(file);
    out[strcspn(out, "\n")] = '\0';
}

static bool find_holder(unsigned long inode, char *pid, size_t pid_len, char *name, int name_len)
{
    struct dirent *entry;
    char socket[64];
    bool found = false;
    DIR *dir = opendir("/proc");

    snprintf(socket, sizeof(socket), "socket:[%lu]", inode);
    while (dir && !found && (entry = readdir(dir))) {
        if (!isdigit((unsigned char)entry->d_name[0]) || !holds(entry->d_name, socket))
            continue;
        found = true;
        snprintf(pid, pid_len, "%.20s", entry->d_name);
        process_name(entry->d_name, name, name_len);
    }
    if (dir)
        closedir(dir);
    return found;
}

int port_taken(const char *address, int port, struct err *err)
{
    unsigned long inode = listening_inode("/proc/net/tcp", port);
    char pid[32], name[64];

    if (!inode)
        inode = listening_inode("/proc/net/tcp6", port);
    if (inode && find_holder(inode, pid, sizeof(pid), name, sizeof(name)))
        return err_set(err, ERR_BUSY, "port %d on %s is taken by %s (process %s)", port, address,
                       name[0] ? name : "a process", pid);
    return err_set(err, ERR_BUSY, "port %d on %s is taken by another process", port, address);
}
