/*
 * What a disk would still have after a power cut. Preloaded into a process, this logs every file and folder
 * under $POWER_ROOT when it is synced, with its content at that moment, in $POWER_LOG, in order, before
 * the sync returns. The disk never promised anything that is not in the log.
 *
 * Records: "F <key> <bytes>\n" and the file's content; "D <key> <bytes>\n" and one line for each name in the
 * folder, "<f or d> <key> <name>\n". A key is inode number and time of birth, since numbers are used again.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

struct buffer {
    char *bytes;
    size_t used, room;
};

static void fail(const char *what) {
    perror(what);
    _exit(99);
}

static void put(struct buffer *to, const void *bytes, size_t length) {
    while (to->used + length > to->room) {
        to->room = to->room ? to->room * 2 : 65536;
        to->bytes = realloc(to->bytes, to->room);
        if (!to->bytes) fail("power shim: memory");
    }
    memcpy(to->bytes + to->used, bytes, length);
    to->used += length;
}

static void key_of(int folder, const char *name, char *key, size_t room, unsigned *mode) {
    struct statx about;
    int flags = AT_SYMLINK_NOFOLLOW | (*name ? 0 : AT_EMPTY_PATH);
    if (statx(folder, name, flags, STATX_INO | STATX_BTIME | STATX_TYPE, &about) != 0) {
        *mode = 0;
        return;
    }
    *mode = about.stx_mode;
    snprintf(key, room, "%llu.%lld.%u", (unsigned long long)about.stx_ino,
             (long long)about.stx_btime.tv_sec, about.stx_btime.tv_nsec);
}

static void content_of(int fd, struct buffer *into) {
    char path[64], piece[65536];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) fail("power shim: open");
    ssize_t length;
    while ((length = read(file, piece, sizeof piece)) > 0) put(into, piece, (size_t)length);
    close(file);
}

static void names_in(const char *path, struct buffer *into) {
    DIR *folder = opendir(path);
    if (!folder) fail("power shim: opendir");
    struct dirent *entry;
    while ((entry = readdir(folder))) {
        char key[96], line[96 + NAME_MAX + 8];
        unsigned mode;
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        key_of(dirfd(folder), entry->d_name, key, sizeof key, &mode);
        if (!mode) continue;
        int length = snprintf(line, sizeof line, "%c %s %s\n", S_ISDIR(mode) ? 'd' : 'f', key, entry->d_name);
        put(into, line, (size_t)length);
    }
    closedir(folder);
}

static void note(int fd) {
    const char *root = getenv("POWER_ROOT"), *log = getenv("POWER_LOG");
    char link[64], path[PATH_MAX], key[96], head[160];
    if (!root || !log) return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return;
    path[length] = 0;
    if (strncmp(path, root, strlen(root)) != 0) return;
    unsigned mode;
    key_of(fd, "", key, sizeof key, &mode);
    struct buffer content = {0}, record = {0};
    if (S_ISDIR(mode)) names_in(path, &content);
    else content_of(fd, &content);
    int headed = snprintf(head, sizeof head, "%c %s %zu\n", S_ISDIR(mode) ? 'D' : 'F', key, content.used);
    put(&record, head, (size_t)headed);
    put(&record, content.bytes ? content.bytes : "", content.used);
    int out = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (out < 0 || write(out, record.bytes, record.used) != (ssize_t)record.used) fail("power shim: log");
    close(out);
    free(content.bytes);
    free(record.bytes);
}

static int synced(const char *name, int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    pthread_mutex_lock(&lock);
    int result = real(fd), error = errno;
    if (result == 0) note(fd);
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

int fsync(int fd) { return synced("fsync", fd); }

int fdatasync(int fd) { return synced("fdatasync", fd); }
