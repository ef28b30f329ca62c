// A disk that keeps only what was synced, for LD_PRELOAD under `campanile serve`.
//
// POWER_SHADOW names a folder with one image for each database file: what a power cut
// would leave of it. Writes go to the real files; an image follows when fsync or
// fdatasync asks for it. After the process was killed, the test puts the images in the
// place of the files.
//
//   POWER_TORN=1   some 512-byte sectors of a write reach the image unasked, in any order
//   POWER_LIE=1    syncs are answered and not done: the proof has to fail with it
//   POWER_FULL=F   while the file F exists, every write fails with ENOSPC
//   POWER_SLOW=F   while the file F exists, every sync takes 200 ms
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILES 8
#define FDS 4096
#define RANGES 4096

struct range { off_t from, to; };
struct file {
    dev_t dev; ino_t ino; int image; char name[64];
    int count; struct range dirty[RANGES];
};
static struct file files[FILES];
static unsigned char of_fd[FDS]; // index into `files` plus 1, 0 for files of others
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static unsigned chance = 1;

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static const char *tracked(const char *path) {
    const char *name = strrchr(path, '/');
    name = name ? name + 1 : path;
    size_t length = strlen(name);
    const char *ends[] = {".db", ".db-wal", ".db-journal"};
    for (int i = 0; i < 3; i++) {
        size_t end = strlen(ends[i]);
        if (length > end && length < 64 && !strcmp(name + length - end, ends[i])) return name;
    }
    return NULL;
}

static int open_image(const char *name) {
    char path[4096];
    const char *folder = getenv("POWER_SHADOW");
    if (!folder) return -1;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    REAL(int, "open", const char *, int, ...);
    return real(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

static int opened(int fd, const char *path) {
    const char *name = fd >= 0 && fd < FDS ? tracked(path) : NULL;
    struct stat stat;
    if (!name || fstat(fd, &stat)) return fd;
    pthread_mutex_lock(&turn);
    int free = -1, found = -1;
    for (int i = 0; i < FILES; i++) {
        if (files[i].ino == stat.st_ino && files[i].dev == stat.st_dev) found = i;
        if (!files[i].ino && free < 0) free = i;
    }
    if (found < 0 && free >= 0) {
        found = free;
        files[found].dev = stat.st_dev;
        files[found].ino = stat.st_ino;
        files[found].image = -1;
        files[found].count = 0;
        strcpy(files[found].name, name);
    }
    of_fd[fd] = found + 1;
    pthread_mutex_unlock(&turn);
    return fd;
}

static struct file *file_of(int fd) {
    return fd >= 0 && fd < FDS && of_fd[fd] ? &files[of_fd[fd] - 1] : NULL;
}

static void copy(struct file *file, int fd, off_t from, off_t to) {
    static char page[65536];
    if (file->image < 0) file->image = open_image(file->name);
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off_t);
    while (from < to) {
        size_t most = to - from < (off_t)sizeof page ? (size_t)(to - from) : sizeof page;
        ssize_t got = pread(fd, page, most, from);
        if (got <= 0) break;
        if (real(file->image, page, got, from) != got) abort();
        from += got;
    }
}

static void wrote(int fd, off_t from, off_t to) {
    struct file *file = file_of(fd);
    if (!file) return;
    pthread_mutex_lock(&turn);
    struct range *last = file->count ? &file->dirty[file->count - 1] : NULL;
    if (last && last->to == from) {
        last->to = to;
    } else if (file->count < RANGES) {
        file->dirty[file->count++] = (struct range){from, to};
    } else { // too many to tell apart: all that lies between them
        for (int i = 1; i < RANGES; i++) {
            if (file->dirty[i].from < file->dirty[0].from) file->dirty[0].from = file->dirty[i].from;
            if (file->dirty[i].to > file->dirty[0].to) file->dirty[0].to = file->dirty[i].to;
        }
        file->dirty[1] = (struct range){from, to};
        file->count = 2;
    }
    if (getenv("POWER_TORN") && rand_r(&chance) % 3 == 0) {
        off_t sectors = (to - from + 511) / 512;
        off_t first = rand_r(&chance) % sectors;
        off_t begin = from + first * 512, end = begin + 512 * (1 + rand_r(&chance) % sectors);
        copy(file, fd, begin, end < to ? end : to);
    }
    pthread_mutex_unlock(&turn);
}

static void synced(int fd) {
    struct file *file = file_of(fd);
    if (!file || getenv("POWER_LIE")) return;
    pthread_mutex_lock(&turn);
    for (int i = 0; i < file->count; i++) copy(file, fd, file->dirty[i].from, file->dirty[i].to);
    struct stat stat;
    REAL(int, "ftruncate64", int, off_t);
    if (file->image < 0) file->image = open_image(file->name);
    if (file->image >= 0 && !fstat(fd, &stat) && real(file->image, stat.st_size)) abort();
    file->count = 0;
    pthread_mutex_unlock(&turn);
}

static int told(const char *name) {
    const char *path = getenv(name);
    return path && !access(path, F_OK);
}

static int refused(int fd) {
    if (!file_of(fd) || !told("POWER_FULL")) return 0;
    errno = ENOSPC;
    return 1;
}

static void linger(int fd) {
    if (file_of(fd) && told("POWER_SLOW")) {
        struct timespec slow = {0, 200000000};
        nanosleep(&slow, NULL);
    }
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        va_list more; va_start(more, flags); int mode = va_arg(more, int); va_end(more); \
        REAL(int, #name, const char *, int, ...); \
        return opened(real(path, flags, mode), path); \
    }
OPEN(open)
OPEN(open64)

int close(int fd) {
    REAL(int, "close", int);
    if (fd >= 0 && fd < FDS) of_fd[fd] = 0;
    return real(fd);
}

#define PWRITE(name) \
    ssize_t name(int fd, const void *bytes, size_t count, off_t at) { \
        REAL(ssize_t, #name, int, const void *, size_t, off_t); \
        if (refused(fd)) return -1; \
        ssize_t done = real(fd, bytes, count, at); \
        if (done > 0) wrote(fd, at, at + done); \
        return done; \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

#define TRUNCATE(name) \
    int name(int fd, off_t size) { \
        REAL(int, #name, int, off_t); \
        return refused(fd) ? -1 : real(fd, size); \
    }
TRUNCATE(ftruncate)
TRUNCATE(ftruncate64)

#define SYNC(name) \
    int name(int fd) { \
        REAL(int, #name, int); \
        linger(fd); \
        int done = real(fd); \
        if (!done) synced(fd); \
        return done; \
    }
SYNC(fsync)
SYNC(fdatasync)

int unlink(const char *path) {
    REAL(int, "unlink", const char *);
    const char *name = tracked(path), *folder = getenv("POWER_SHADOW");
    int done = real(path);
    if (!done && name && folder) {
        pthread_mutex_lock(&turn);
        for (int i = 0; i < FILES; i++) {
            if (!files[i].ino || strcmp(files[i].name, name)) continue;
            if (files[i].image >= 0) close(files[i].image);
            for (int fd = 0; fd < FDS; fd++) if (of_fd[fd] == i + 1) of_fd[fd] = 0;
            memset(&files[i], 0, sizeof files[i]);
        }
        char image[4096];
        snprintf(image, sizeof image, "%s/%s", folder, name);
        real(image);
        pthread_mutex_unlock(&turn);
    }
    return done;
}
