/* port.c - bind and listen; on "address in use", /proc/net/tcp gives the socket's inode and
 * /proc/PID/fd the process that has it open. */
#include "base/port.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TCP_LISTEN 0x0A /* the kernel's state number in /proc/net/tcp */

/* The inode of a socket that listens on the port, from one of the two tables; 0: none. */
static uint64_t listening_inode(const char *table, int port)
{
    FILE *file = fopen(table, "r");
    uint64_t found = 0;
    char line[512];

    while (file && !found && fgets(line, sizeof(line), file)) {
        unsigned local = 0, state = 0;
        uint64_t inode = 0;

        if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*u %*d %" SCNu64,
                   &local, &state, &inode) == 3 &&
            local == (unsigned)port && state == TCP_LISTEN)
            found = inode;
    }
    if (file)
        fclose(file);
    return found;
}

static int has_socket(const char *pid, uint64_t inode)
{
    char path[300], link[64], wanted[64];
    struct dirent *entry;
    int found = 0;
    DIR *dir;

    snprintf(wanted, sizeof(wanted), "socket:[%" PRIu64 "]", inode);
    snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
    dir = opendir(path);
    while (dir && !found && (entry = readdir(dir))) {
        ssize_t len;

        snprintf(path, sizeof(path), "/proc/%.20s/fd/%.20s", pid, entry->d_name);
        len = readlink(path, link, sizeof(link) - 1);
        if (len > 0) {
            link[len] = '\0';
            found = strcmp(link, wanted) == 0;
        }
    }
    if (dir)
        closedir(dir);
    return found;
}

static void process_name(const char *pid, char *out, size_t size)
{
    char path[64], name[64] = "";
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
    file = fopen(path, "r");
    if (file && fgets(name, sizeof(name), file))
        name[strcspn(name, "\n")] = '\0';
    if (file)
        fclose(file);
    snprintf(out, size, "%s (process %.20s)", name[0] ? name : "a process", pid);
}

const char *port_holder(int port, char *out, size_t size)
{
    uint64_t inode = listening_inode("/proc/net/tcp", port);
    struct dirent *entry;
    DIR *proc;

    snprintf(out, size, "another process");
    if (!inode)
        inode = listening_inode("/proc/net/tcp6", port);
    proc = inode ? opendir("/proc") : NULL;
    while (proc && (entry = readdir(proc))) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9' || !has_socket(entry->d_name, inode))
            continue;
        process_name(entry->d_name, out, size);
        break;
    }
    if (proc)
        closedir(proc);
    return out;
}

int port_taken(const char *address, int port, struct err *err)
{
    char holder[128];

    return err_set(err, ERR_BUSY, "port %d on %s is taken by %s: stop it, or choose another port",
                   port, address, port_holder(port, holder, sizeof(holder)));
}

static int parse_address(const char *address, int port, struct sockaddr_storage *out,
                         socklen_t *len)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

    memset(out, 0, sizeof(*out));
    if (strcmp(address, "localhost") == 0)
        address = "127.0.0.1";
    if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        *len = sizeof(*v4);
        return 0;
    }
    if (inet_pton(AF_INET6, address, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        *len = sizeof(*v6);
        return 0;
    }
    return ERR_INVALID;
}

static int bound_port(int fd)
{
    struct sockaddr_storage at;
    socklen_t len = sizeof(at);

    if (getsockname(fd, (struct sockaddr *)&at, &len))
        return 0;
    return ntohs(at.ss_family == AF_INET ? ((struct sockaddr_in *)&at)->sin_port
                                         : ((struct sockaddr_in6 *)&at)->sin6_port);
}

int port_listen(int *out, const char *address, int port, int *bound, struct err *err)
{
    struct sockaddr_storage at;
    socklen_t len;
    int fd, on = 1, rc;

    if (port < 0 || port > 65535 || parse_address(address, port, &at, &len))
        return err_set(err, ERR_INVALID, "\"%.100s\" port %d: not an address to listen at", address,
                       port);
    fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_errno(err, errno, "socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&at, len) || listen(fd, 1024)) {
        if (errno == EADDRINUSE)
            rc = port_taken(address, port, err);
        else
            rc = err_errno(err, errno, "listen at %s port %d", address, port);
        close(fd);
        return rc;
    }
    *out = fd;
    if (bound)
        *bound = bound_port(fd);
    return 0;
}
