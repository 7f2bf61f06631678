/*
 * Runs a fuzz target once on each file of the folders given: in builds without libFuzzer, the
 * committed corpus is a test like any other.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int
run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) < 0) {
        perror(path);
        return -1;
    }
    size_t len = (size_t)ftell(file);
    rewind(file);
    unsigned char *data = malloc(len > 0 ? len : 1);
    if (!data || fread(data, 1, len, file) != len) {
        perror(path);
        return -1;
    }
    (void)fclose(file);
    /* The last one named is the one that failed, should it not return. */
    (void)printf("%s\n", path);
    (void)fflush(stdout);
    (void)LLVMFuzzerTestOneInput(data, len);
    free(data);
    return 0;
}

static int
run_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    if (!dir) {
        perror(folder);
        return -1;
    }
    int count = 0;
    const struct dirent *entry;
    while ((entry = readdir(dir))) {
        char path[4096];
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (run_file(path) < 0)
            return -1;
        count++;
    }
    (void)closedir(dir);
    return count;
}

int
main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        int count = run_folder(argv[i]);
        if (count <= 0) {
            (void)fprintf(stderr, "%s: no inputs\n", argv[i]);
            return 1;
        }
    }
    return argc > 1 ? 0 : 2;
}
